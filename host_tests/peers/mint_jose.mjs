// Mints a ticket as an issuer would who uses `jose`: node mint_jose.mjs ISSUER.jwk ALGORITHM < claims.json > ticket
// and checks one: node mint_jose.mjs ISSUER.jwk verify < ticket > payload
import fs from "node:fs";
import { CompactSign, compactVerify, importJWK } from "jose";

const [, , file, algorithm] = process.argv;
const jwk = JSON.parse(fs.readFileSync(file, "utf8"));
const input = fs.readFileSync(0, "utf8").trim();
if (algorithm === "verify") {
  const { d, ...publicOnly } = jwk;
  const { payload } = await compactVerify(input, await importJWK(publicOnly, "Ed25519"));
  process.stdout.write(payload);
} else {
  const key = await importJWK(jwk, algorithm);
  const header = { alg: algorithm, kid: jwk.kid, typ: "charging-ticket+jws" };
  const payload = new TextEncoder().encode(input);
  process.stdout.write(await new CompactSign(payload).setProtectedHeader(header).sign(key));
}
