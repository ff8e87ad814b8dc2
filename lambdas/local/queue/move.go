package queue

type moveTask struct{}
