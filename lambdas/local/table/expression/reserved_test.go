package expression

import "testing"

func TestAWSDocuments573ReservedWords(t *testing.T) {
	if len(reserved) != 573 {
		t.Errorf("%d reserved words", len(reserved))
	}
	for word := range reserved {
		if !Reserved(word) {
			t.Errorf("%s is not found", word)
		}
	}
}
