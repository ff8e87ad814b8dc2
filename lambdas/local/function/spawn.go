package function

import (
	"os/exec"
	"runtime"
)

// A spawner starts every process from one operating-system thread that lives as long as the Service: on Linux a child
// is told to die when the thread that made it dies (see [detach]), and Go ends idle threads as it likes.
type spawner struct {
	jobs chan spawnJob
	done chan struct{}
}

type spawnJob struct {
	cmd    *exec.Cmd
	result chan error
}

func startSpawner() *spawner {
	s := &spawner{jobs: make(chan spawnJob), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, after all children
		defer close(s.done)
		for job := range s.jobs {
			job.result <- job.cmd.Start()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	job := spawnJob{cmd, make(chan error, 1)}
	s.jobs <- job
	return <-job.result
}

func (s *spawner) close() {
	close(s.jobs)
	<-s.done
}
