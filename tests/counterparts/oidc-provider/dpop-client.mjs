// A client that holds a key: `node dpop-client.mjs ISSUER RESOURCE URL ALGORITHM COUNT`.
//
// Gets a token by client credentials, bound to a key of its own, calls the URL so many times, and
// prints a line for each answer: its status, its body, and whether a nonce came first.
import * as oauth from 'oauth4webapi';

const [issuer, resource, url, algorithm, count] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };

const discovered = await oauth.discoveryRequest(new URL(issuer), insecure);
const server = await oauth.processDiscoveryResponse(new URL(issuer), discovered);
const client = { client_id: 'machine-es256' };
const authentication = oauth.ClientSecretBasic('a secret of nobody');
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(algorithm));

const asked = await oauth.clientCredentialsGrantRequest(
  server,
  client,
  authentication,
  new URLSearchParams({ scope: 'notes.read', resource }),
  { DPoP, ...insecure },
);
const token = await oauth.processClientCredentialsResponse(server, client, asked);
if (token.token_type !== 'dpop') throw new Error(`a token of type ${token.token_type}`);

const call = () =>
  oauth.protectedResourceRequest(token.access_token, 'GET', new URL(url), undefined, undefined, {
    DPoP,
    ...insecure,
  });

for (let n = 0; n < Number(count); n += 1) {
  let wasToldNonce = false;
  let answer;
  try {
    answer = await call();
  } catch (problem) {
    if (!oauth.isDPoPNonceError(problem)) throw problem;
    wasToldNonce = true;
    answer = await call();
  }
  console.log(`${answer.status} ${await answer.text()} ${wasToldNonce}`);
}
