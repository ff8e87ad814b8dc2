package vectors_test

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/arvo/lambdas/arvo"
)

// The contracts and the service that the recordings are of. The types say what the recorder's validators say.

type (
	greetInput struct {
		Name string   `json:"name"`
		Age  *float64 `json:"age,omitempty" default:"7"`
		Mode string   `json:"mode,omitempty"`
	}
	greeting struct {
		Greeting string `json:"greeting"`
	}
	audit struct {
		Message string `json:"message"`
		Level   string `json:"level,omitempty" default:"info"`
	}
	greetInput2 struct {
		FullName string `json:"fullname"`
	}
	greeting2 struct {
		Greeting string `json:"greeting"`
		Lang     string `json:"lang"`
	}

	chargeInput struct {
		Order  string  `json:"order"`
		Amount float64 `json:"amount" minimum:"0"`
	}
	charged struct {
		Receipt string `json:"receipt"`
	}
	reserveInput struct {
		Order string `json:"order"`
		SKU   string `json:"sku"`
	}
	reserved struct {
		Reserved bool `json:"reserved"`
	}

	orderInput struct {
		Order  string  `json:"order"`
		Amount float64 `json:"amount"`
		SKU    string  `json:"sku"`
		Mode   string  `json:"mode,omitempty"`
	}
	orderDone struct {
		OK      bool    `json:"ok"`
		Receipt *string `json:"receipt"`
	}
	batchInput struct {
		Order string `json:"order"`
	}
	batchDone struct {
		OK bool `json:"ok"`
	}
)

const (
	greetSuccess   = "evt.user.greet.success"
	greetAudit     = "evt.user.greet.audit"
	reserveType    = "com.inventory.reserve"
	reserveSuccess = "evt.inventory.reserve.success"
	chargeType     = "com.payment.charge"
	chargeSuccess  = "evt.payment.charge.success"
	orderType      = "arvo.orc.order"
)

// recordedContracts are the contracts of the recordings by name.
func recordedContracts(flavor string) map[string]*arvo.Contract {
	if flavor == "v2" {
		return contractsV2
	}
	return contractsV3
}

var contractsV2, contractsV3 = newContracts("v2"), newContracts("v3")

// newContracts makes the contracts of a flavor. The line v2 knows no domains.
func newContracts(flavor string) map[string]*arvo.Contract {
	domain := func(d string) string {
		if flavor == "v2" {
			return arvo.DomainLocal
		}
		return d
	}
	return map[string]*arvo.Contract{
		"greet": arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
			URI: "#/test/user/greet", Type: "com.user.greet", Domain: domain("greet.domain"),
			Versions: map[string]arvo.VersionSpec{
				"1.0.0": {Accepts: arvo.SchemaFor[greetInput](), Emits: map[string]arvo.Schema{
					greetSuccess: arvo.SchemaFor[greeting](), greetAudit: arvo.SchemaFor[audit](),
				}},
				"2.0.0": {Accepts: arvo.SchemaFor[greetInput2](), Emits: map[string]arvo.Schema{greetSuccess: arvo.SchemaFor[greeting2]()}},
			},
		})),
		"charge": arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
			URI: "#/test/payment/charge", Type: "payment.charge",
			Versions: map[string]arvo.SimpleVersion{"1.0.0": {Accepts: arvo.SchemaFor[chargeInput](), Emits: arvo.SchemaFor[charged]()}},
		})),
		"reserve": arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
			URI: "#/test/inventory/reserve", Type: "inventory.reserve", Domain: domain("warehouse"),
			Versions: map[string]arvo.SimpleVersion{"1.0.0": {Accepts: arvo.SchemaFor[reserveInput](), Emits: arvo.SchemaFor[reserved]()}},
		})),
		"order": arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
			URI: "#/test/orc/order", Name: "order",
			Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[orderInput](), Complete: arvo.SchemaFor[orderDone]()}},
		})),
		"batch": arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
			URI: "#/test/orc/batch", Name: "batch",
			Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[batchInput](), Complete: arvo.SchemaFor[batchDone]()}},
		})),
	}
}

// contractVersion is version 1.0.0 of a recorded contract.
func contractVersion(flavor, name string) *arvo.Version {
	v, err := recordedContracts(flavor)[name].Version("1.0.0")
	if err != nil {
		panic(err) // the contracts are constants
	}
	return v
}

// A namedError is an error of the original: they have names.
type namedError struct{ name, message string }

func (e namedError) Error() string     { return e.message }
func (e namedError) ErrorName() string { return e.name }

// greetService is the recorder's greetHandler: the member mode of the data says what it does.
func greetService(flavor string) (*arvo.Service, error) {
	return arvo.NewService(recordedContracts(flavor)["greet"], arvo.ExecutionUnits(3),
		arvo.Implement("1.0.0", greet),
		arvo.Implement("2.0.0", func(_ context.Context, in arvo.Input[greetInput2]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: greetSuccess, Data: greeting2{"Bonjour " + in.Data.FullName, "fr"}}}, nil
		}))
}

func greet(_ context.Context, in arvo.Input[greetInput]) ([]arvo.Output, error) {
	age := "undefined"
	if in.Data.Age != nil {
		age = fmt.Sprint(*in.Data.Age)
	}
	ok := arvo.Output{Type: greetSuccess, Data: greeting{"Hello " + in.Data.Name + " " + age}}
	switch in.Data.Mode {
	case "throw":
		return nil, namedError{"TypeError", "boom"}
	case "throw-string":
		panic("plain string") // as near as Go comes to throwing what is no error
	case "violation":
		return nil, &arvo.Violation{Kind: "RATE_LIMIT", Message: "slow down", Metadata: map[string]any{"a": 1}}
	case "empty":
		return nil, nil
	case "empty-array":
		return []arvo.Output{}, nil
	case "multi":
		return []arvo.Output{ok, {Type: greetAudit, Data: json.RawMessage(`{"message":"x"}`)}}, nil
	case "bad-data":
		ok.Data = json.RawMessage(`{"greeting":1}`)
	case "bad-type":
		ok.Type, ok.Data = "evt.user.other.success", json.RawMessage(`{}`)
	case "to":
		ok.To = "com.special.dest"
	case "redirectto":
		ok.RedirectTo = "com.next.hop"
	case "units":
		ok.ExecutionUnits = new(float64)
	case "access":
		ok.AccessControl = "mine"
	case "ext":
		ok.Extensions = []arvo.Extension{{Name: "trace", Value: json.RawMessage(`"x1"`)}, {Name: "n", Value: json.RawMessage("5")}}
	case "id":
		ok.ID = "my-id"
	case "overwrite": // an Output has no source, subject, parent or trace context
	case "domain":
		ok.Domains = []string{"dom.a", arvo.DomainLocal, "dom.a", "dom.b"}
	case "domain-self":
		ok.Domains = []string{arvo.DomainFromSelfContract}
	case "domain-event":
		ok.Domains = []string{arvo.DomainFromTriggeringEvent}
	}
	return []arvo.Output{ok}, nil
}
