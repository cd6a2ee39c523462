package probe

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// A named number of one of IANA's registries, with the other names that people give it.
type named[T ~uint16] struct {
	id      T
	name    string
	aliases []string
}

var groups = []named[tls.CurveID]{
	{tls.X25519MLKEM768, "X25519MLKEM768", nil},
	{tls.X25519, "X25519", nil},
	{tls.CurveP256, "P-256", []string{"secp256r1", "prime256v1"}},
	{tls.CurveP384, "P-384", []string{"secp384r1"}},
	{tls.CurveP521, "P-521", []string{"secp521r1"}},
}

var suites = []named[uint16]{
	{tls.TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", nil},
	{tls.TLS_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", nil},
	{tls.TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256", nil},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", []string{"ECDHE-ECDSA-AES128-GCM-SHA256"}},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", []string{"ECDHE-RSA-AES128-GCM-SHA256"}},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", []string{"ECDHE-ECDSA-AES256-GCM-SHA384"}},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", []string{"ECDHE-RSA-AES256-GCM-SHA384"}},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", []string{"ECDHE-ECDSA-CHACHA20-POLY1305"}},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", []string{"ECDHE-RSA-CHACHA20-POLY1305"}},
}

// schemes have the names of RFC 8446 4.2.3; those with which a server may sign.
var schemes = []named[tls.SignatureScheme]{
	{tls.ECDSAWithP256AndSHA256, "ecdsa_secp256r1_sha256", nil},
	{tls.ECDSAWithP384AndSHA384, "ecdsa_secp384r1_sha384", nil},
	{tls.ECDSAWithP521AndSHA512, "ecdsa_secp521r1_sha512", nil},
	{tls.Ed25519, "ed25519", nil},
	{tls.PSSWithSHA256, "rsa_pss_rsae_sha256", nil},
	{tls.PSSWithSHA384, "rsa_pss_rsae_sha384", nil},
	{tls.PSSWithSHA512, "rsa_pss_rsae_sha512", nil},
	{tls.PKCS1WithSHA256, "rsa_pkcs1_sha256", nil}, // in TLS 1.2, as the next two
	{tls.PKCS1WithSHA384, "rsa_pkcs1_sha384", nil},
	{tls.PKCS1WithSHA512, "rsa_pkcs1_sha512", nil},
}

// nameOf returns the name of id, "" for 0, which stands for what is not settled.
func nameOf[T ~uint16](table []named[T], id T) string {
	for _, n := range table {
		if n.id == id {
			return n.name
		}
	}
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%#04x", uint16(id))
}

// parseNames reads a list of names with commas between.
func parseNames[T ~uint16](table []named[T], list string) (ids []T, err error) {
	for word := range strings.SplitSeq(list, ",") {
		id, ok := find(table, word)
		if !ok {
			var known []string
			for _, n := range table {
				known = append(known, n.name)
			}
			return nil, fmt.Errorf("%q is none of %s", word, strings.Join(known, ", "))
		}
		for _, other := range ids {
			if other == id {
				return nil, fmt.Errorf("%q is listed twice", word)
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func find[T ~uint16](table []named[T], word string) (id T, ok bool) {
	for _, n := range table {
		for _, name := range append([]string{n.name}, n.aliases...) {
			if strings.EqualFold(name, word) {
				return n.id, true
			}
		}
	}
	return 0, false
}
