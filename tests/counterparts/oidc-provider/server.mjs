// An OpenID provider for tests: `node server.mjs PORT`.
//
// Clients are named after the algorithm that their access tokens are signed with: `machine-…`
// for client credentials, `app-…` for the authorization code flow with PKCE. No person is there:
// whoever `login_hint` names is logged in, and has consented. Tokens of `bound-…` are bound to the
// certificate that whoever ends TLS in front writes into `x-client-certificate`. Tokens for a resource
// whose path begins with `/opaque` are opaque; `resource-…` are the resource servers that ask about
// them.
import { createServer } from 'node:http';

import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const algorithms = { es256: 'ES256', eddsa: 'EdDSA', rs256: 'RS256', ps256: 'PS256' };
const redirectUri = 'http://127.0.0.1/callback';
const scope = 'notes.read notes.write';

let generation = 0;
let keys = [];

async function makeKeys() {
  generation += 1;
  const made = Object.entries(algorithms).map(async ([name, alg]) => {
    const options = alg === 'EdDSA' ? { crv: 'Ed25519', extractable: true } : { extractable: true };
    const { privateKey } = await generateKeyPair(alg, options);
    return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${name}-${generation}` };
  });
  return Promise.all(made);
}

// The resource server that proves itself with a key of its own; `/test/resource-key` tells it.
const resourceKey = await generateKeyPair('ES256', { extractable: true });

async function resourceServers() {
  const base = { grant_types: [], redirect_uris: [], response_types: [] };
  const secret = 'a secret: of nobody & else';
  return [
    { ...base, client_id: 'resource-basic', client_secret: secret },
    {
      ...base,
      client_id: 'resource-post',
      client_secret: secret,
      token_endpoint_auth_method: 'client_secret_post',
    },
    {
      ...base,
      client_id: 'resource-key',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ ...(await exportJWK(resourceKey.publicKey)), alg: 'ES256', use: 'sig' }] },
      introspection_signed_response_alg: 'ES256',
    },
  ];
}
const resources = await resourceServers();

function clients() {
  return Object.keys(algorithms).flatMap((name) => [
    {
      client_id: `machine-${name}`,
      client_secret: 'a secret of nobody',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: `bound-${name}`,
      client_secret: 'a secret of nobody',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      tls_client_certificate_bound_access_tokens: true,
    },
    {
      client_id: `app-${name}`,
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['authorization_code'],
      redirect_uris: [redirectUri],
      response_types: ['code'],
      id_token_signed_response_alg: algorithms[name],
    },
  ]);
}

// The first key of an algorithm signs, so new keys stand in front of the old ones.
function makeProvider() {
  return new Provider(issuer, {
    clients: [...clients(), ...resources],
    jwks: { keys },
    cookies: { keys: ['cookies of a test'] },
    scopes: ['openid', ...scope.split(' ')],
    pkce: { required: () => true },
    ttl: { Interaction: 60, Session: 60, Grant: 60, AccessToken: 300, ClientCredentials: 300, IdToken: 60 },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async (ctx) => {
      const { client, params, provider, session } = ctx.oidc;
      const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
      grant.addOIDCScope(`openid ${scope}`);
      grant.addResourceScope(params.resource, scope);
      await grant.save();
      return grant;
    },
    extraTokenClaims: (ctx) => {
      const code = ctx.oidc?.entities?.AuthorizationCode;
      return code && { acr: code.acr, auth_time: code.authTime };
    },
    features: {
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.get('x-client-certificate') || undefined,
      },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client) => client.clientId.startsWith('resource-'),
      },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, client) => ({
          scope,
          audience: resource,
          ...(new URL(resource).pathname.startsWith('/opaque')
            ? { accessTokenFormat: 'opaque' }
            : {
                accessTokenFormat: 'jwt',
                jwt: { sign: { alg: algorithms[client.clientId.split('-')[1]] } },
              }),
        }),
      },
    },
  });
}

async function interact(provider, request, response) {
  const { params, prompt } = await provider.interactionDetails(request, response);
  const login = { accountId: params.login_hint, acr: 'urn:example:password', amr: ['pwd'] };
  // A native application is asked for consent each time.
  const result = prompt.name === 'login' ? { login } : { consent: {} };
  await provider.interactionFinished(request, response, result);
}

keys = await makeKeys();
let provider = makeProvider();

createServer(async (request, response) => {
  try {
    if (request.method === 'POST' && request.url === '/test/rotate') {
      keys = [...(await makeKeys()), ...keys];
      provider = makeProvider();
      response.end();
    } else if (request.url === '/test/resource-key') {
      response.end(await exportPKCS8(resourceKey.privateKey));
    } else if (request.url.startsWith('/interaction/')) {
      await interact(provider, request, response);
    } else {
      provider.callback()(request, response);
    }
  } catch (problem) {
    console.error(problem);
    response.statusCode = 500;
    response.end();
  }
}).listen(port, '127.0.0.1', () => console.log(`ready at ${issuer}`));
