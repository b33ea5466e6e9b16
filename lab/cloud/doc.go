// Package cloud is the AWS side of a lab: Secrets Manager, STS, the RDS API, and the sign-in pages of AD FS and Okta, in this
// process, with the real wire formats. It also verifies login tokens as RDS does, from the signature to the age.
//
//	aws := cloud.New(cloud.Options{})
//	identity := aws.AddIdentity("app", cloud.Policy{DBUsers: []string{"app"}})
//	aws.PutSecret("prod/db", `{"username": "app", "password": "first"}`)
//
// An application's aws.Config is pointed at it by its HTTPClient, [Cloud.Client], with no endpoint and no socket; or by
// BaseEndpoint (AWS_ENDPOINT_URL) and an httptest.NewServer, for a [Cloud] is an http.Handler. Either way requests
// must be signed by an [Identity] of the cloud, as on AWS: the access keys go into the application's credentials.
//
// Package lab logs users in with tokens of these identities: lab.Options{Auth: lab.IAM, Cloud: aws}.
//
// # Rotation
//
// [Cloud.StageSecret], [Cloud.FinishRotation] and [Cloud.PutSecret] move the stages AWSCURRENT, AWSPENDING and
// AWSPREVIOUS of a secret's versions as a rotation does; lab.Cluster.SetPassword changes the password in the
// database, before or after that.
//
// # Identity providers
//
// [Cloud.AddUser] makes a user of AD FS and Okta, and [Cloud.AddRole] a role for them. AD FS has its form, which needs
// cookies and redirects once; Okta its session tokens. Both hand out assertions that STS takes for five minutes,
// for temporary credentials. [Cloud.RequireMFA], [Cloud.ExpirePassword] and [Cloud.LockUser] lead to the other
// pages there are. XML signatures are replaced by one that only the cloud can verify.
//
// # Faults
//
// [Cloud.Throttle], [Cloud.Limit], [Cloud.Fail], [Cloud.Hang] and [Cloud.Slow] befall a service or one operation until
// [Cloud.Heal], and [Cloud.Calls] counts. Time is that of package time: in a testing/synctest bubble it is
// virtual, if the cloud was made there.
package cloud
