package federated_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
)

// An identity provider that has no plugin here needs only a function that signs in.
func ExampleNew() {
	signIn := func(context.Context) (core.Secret, error) {
		return "", &federated.Error{Kind: federated.ErrPassword, Step: "signing in", Host: "sso.example.com"}
	}
	login, err := federated.New("sso", federated.Options{
		User:        "svc-app",
		Password:    "from your vault",
		RoleARN:     "arn:aws:iam::123456789012:role/db-app",
		ProviderARN: "arn:aws:iam::123456789012:saml-provider/sso",
		DBUser:      "app",
	}, signIn)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.Code())
	// Output:
	// sso
}

// What to do about a login that failed.
func ExampleError() {
	var err error = &federated.Error{Kind: federated.ErrTimeout, Step: "sending the password", Host: "adfs.corp.example.com", Err: context.DeadlineExceeded}
	var e *federated.Error
	switch {
	case errors.Is(err, federated.ErrPassword), errors.Is(err, federated.ErrLocked):
		fmt.Println("see to the account")
	case errors.As(err, &e):
		fmt.Println("try later:", e.Host, e.Kind)
	}
	// Output:
	// try later: adfs.corp.example.com no answer in time
}
