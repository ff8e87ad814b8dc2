package table

type tokens struct{}
