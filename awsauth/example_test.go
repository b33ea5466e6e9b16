package awsauth_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/awsdb/awsdb/awsauth"
)

// A profile of the shared configuration files instead of the SDK's default chain. The plugins
// of iamauth, secrets and federated have a field for it.
func ExampleOptions() {
	fmt.Println(awsauth.Options{Profile: "production"}.Profile)
	// Output:
	// production
}

// A provider of one's own is asked again five minutes before its credentials expire.
func ExampleKeepCredentials() {
	calls := 0
	provider := awsauth.KeepCredentials(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		calls++
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
	}))
	for range 3 {
		if _, err := provider.Retrieve(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("asked", calls)
	// Output:
	// asked 1
}

// A plugin runs its Cache from Run, and asks it from Authenticate.
func ExampleCache() {
	cache := awsauth.NewCache(func(_ context.Context, key string) (awsauth.Fetched[string], error) {
		now := time.Now()
		return awsauth.Fetched[string]{Value: "password of " + key, Renew: now.Add(10 * time.Minute), Expires: now.Add(15 * time.Minute)}, nil
	}, 30*time.Second)

	ctx, cancel := context.WithCancel(context.Background())
	var handle sync.WaitGroup
	handle.Go(func() { cache.Run(ctx) })

	for range 2 {
		value, fresh, err := cache.Get(ctx, "app")
		fmt.Println(value, fresh, err)
	}
	cancel()
	handle.Wait()
	// Output:
	// password of app true <nil>
	// password of app false <nil>
}
