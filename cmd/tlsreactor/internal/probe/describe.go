package probe

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// describe tells what is known of the winner's connection, as far as its handshake came.
func (p *prober) describe() {
	w := p.winner
	if w == nil {
		return
	}
	s := w.conn.ConnectionState()
	if s.Version != 0 {
		p.tell(facts{
			stamp:             p.stamp("facts"),
			Address:           w.at.String(),
			Version:           tls.VersionName(s.Version),
			Suite:             nameOf(suites, s.CipherSuite),
			Group:             nameOf(groups, s.Group),
			SignatureScheme:   nameOf(schemes, s.SignatureScheme),
			ALPN:              s.NegotiatedProtocol,
			ServerName:        s.ServerName,
			HelloRetryRequest: s.HelloRetryRequest,
			ClientCertificate: p.asked,
		})
	}
	for i, f := range p.findings() {
		p.tell(p.certificate(i, &f))
	}
}

// findings are what the worker found, nil if it has not been asked, or has not ended.
func (p *prober) findings() []finding {
	if found := p.found.Load(); found != nil {
		return *found
	}
	return nil
}

func (p *prober) certificate(index int, f *finding) certificate {
	sum := sha256.Sum256(f.cert.Raw)
	l := certificate{
		stamp:              p.stamp("certificate"),
		Index:              index,
		Subject:            f.cert.Subject.String(),
		Names:              namesOf(f.cert),
		Issuer:             f.cert.Issuer.String(),
		Serial:             fmt.Sprintf("%x", f.cert.SerialNumber),
		NotBefore:          f.cert.NotBefore,
		NotAfter:           f.cert.NotAfter,
		Key:                keyOf(f.cert),
		SignatureAlgorithm: f.cert.SignatureAlgorithm.String(),
		SHA256:             strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":"),
		Unused:             f.unused,
		Wrong:              append([]string{}, f.wrong...),
		left:               time.Until(f.cert.NotAfter),
	}
	return l
}

// wrong lists what is wrong with all certificates.
func (p *prober) wrong() (all []string) {
	for i, f := range p.findings() {
		for _, w := range f.wrong {
			all = append(all, fmt.Sprintf("certificate %d: %s", i, w))
		}
	}
	return all
}

// verdict ends a probe whose handshake is complete by what was found about the certificates.
func (a *attempt) verdict() {
	s := a.conn.ConnectionState()
	summary := fmt.Sprintf("%s with %v, %s, %s", tls.VersionName(s.Version), a.at, nameOf(suites, s.CipherSuite), nameOf(groups, s.Group))
	if wrong := a.wrong(); len(wrong) > 0 {
		a.finish(StatusUntrusted, fmt.Sprintf("%s, but the certificate is not to be trusted: %s", summary, strings.Join(wrong, "; ")))
		return
	}
	a.finish(StatusOK, fmt.Sprintf("%s, certificate trusted for %s", summary, a.options.VerifyName))
}

// times tells where the time went, as far as things came.
func (p *prober) times() times {
	between := func(from, to time.Duration) milliseconds {
		if from == 0 || to == 0 {
			return 0
		}
		return millisecondsOf(to - from)
	}
	t := times{
		stamp:       p.stamp("times"),
		Connect:     between(p.dialedAt, p.connectedAt),
		Handshake:   between(p.connectedAt, max(p.reached[tlsconn.StateConnected], p.reached[tlsconn.StateFailed])),
		ServerHello: between(p.reached[tlsconn.StateExpectServerHello], cmp.Or(p.reached[tlsconn.StateExpectEncryptedExtensions], p.reached[tlsconn.StateExpectCertificate])),
		Verify:      between(p.reached[tlsconn.StateAwaitVerification], cmp.Or(p.reached[tlsconn.StateExpectCertificateVerify], p.reached[tlsconn.StateExpectRequestOrDone])),
		Total:       millisecondsOf(p.elapsed()),
	}
	if p.named {
		t.Resolve = millisecondsOf(p.dialedAt)
	}
	return t
}
