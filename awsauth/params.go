package awsauth

import "github.com/awsdb/awsdb/core"

// SourceParams declares the parameters of Options; SourceOptions reads them.
func SourceParams() []core.Param {
	return []core.Param{
		{Name: "aws_profile", Doc: "Profile of the AWS configuration files to take credentials and region from. Absent: AWS_PROFILE, then the SDK's default chain."},
	}
}

// SourceOptions returns what the parameters of SourceParams say.
func SourceOptions(s core.Settings) Options {
	return Options{Profile: s.String("aws_profile")}
}

// TokenParams declares the parameters that all plugins with RDS tokens share; TokenSettings
// reads them.
func TokenParams() []core.Param {
	return []core.Param{
		{Name: "iam_host", Doc: "RDS name that a token is signed for, where the host of the connection string, or of an instance, is no RDS name and no alias of one; a ? in it stands for the instance's identifier."},
		{Name: "iam_default_port", Kind: core.Int, Default: "-1", Min: -1, Doc: "Port that tokens are signed for, when connections go through a tunnel with another; 0 or -1: the one that is dialled."},
		{Name: "iam_region", Doc: "Region that tokens are signed for. Absent: what the host name says, then the SDK's default."},
		{Name: "iam_insecure_transport", Kind: core.Bool, Default: "false", Doc: "true sends tokens even where TLS does not verify the server: whoever listens can log in with one for 15 minutes."},
	}
}

// TokenSettings returns the TokenOptions of the parameters of TokenParams.
func TokenSettings(s core.Settings) TokenOptions {
	return TokenOptions{
		Host:         s.String("iam_host"),
		Port:         s.Int("iam_default_port"),
		RegionName:   s.String("iam_region"),
		AnyTransport: s.Bool("iam_insecure_transport"),
		DSNHost:      s.Login().Host,
	}
}
