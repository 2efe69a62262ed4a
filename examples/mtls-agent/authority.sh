#!/bin/sh
# An authority for `mtls-agent`: asks OpenBao for the certificates of a server and of three agents, and
# for the list of what is revoked. Each file holds a certificate and its key.
#
#   BAO=path/to/bao BAO_ADDR=http://127.0.0.1:8200 BAO_TOKEN=… authority.sh make FOLDER
#   BAO=…           BAO_ADDR=…                     BAO_TOKEN=… authority.sh revoke FOLDER agent-b
set -eu
folder=$2

list() {
	"$BAO" read -field=certificate pki/cert/crl >"$folder/revoked.new"
	# At once, so that nobody reads the half of it.
	mv "$folder/revoked.new" "$folder/revoked.pem"
}

issue() {
	"$BAO" write -field=certificate "pki/issue/$1" "$2" format=pem_bundle ttl=24h \
		private_key_format=pkcs8 >"$folder/$3.pem"
}

case $1 in
make)
	# It may have been started a moment ago.
	tries=0
	until "$BAO" status >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 30 ]
		sleep 1
	done
	"$BAO" secrets enable pki >/dev/null
	"$BAO" secrets tune -max-lease-ttl=8760h pki >/dev/null
	"$BAO" write -field=certificate pki/root/generate/internal \
		common_name="the authority of an example" ttl=8760h key_type=ec key_bits=256 \
		>"$folder/authority.pem"
	"$BAO" write pki/roles/servers allowed_domains=localhost allow_bare_domains=true \
		key_type=ec key_bits=256 max_ttl=24h >/dev/null
	"$BAO" write pki/roles/workloads allowed_uri_sans='spiffe://acme.example/*' require_cn=false \
		key_type=ec key_bits=256 max_ttl=24h >/dev/null
	issue servers common_name=localhost server
	issue workloads uri_sans=spiffe://acme.example/agents/a agent-a
	issue workloads uri_sans=spiffe://acme.example/agents/b agent-b
	issue workloads uri_sans=spiffe://acme.example/jobs/nightly job
	list
	;;
revoke)
	certificate=$(sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p;/END CERTIFICATE/q' "$folder/$3.pem")
	"$BAO" write pki/revoke certificate="$certificate" >/dev/null
	list
	;;
esac
