import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { DeployError } from '../../model/failure.ts'
import type { BuildRequest } from '../builder.ts'
import type { BuildContext } from '../context/build-context.ts'

/** Where distributions keep the certificates that programs trust: Debian and Alpine, Fedora and its kin, SUSE, the BSDs' path that Alpine has too. */
export const BUNDLES = [
  'etc/ssl/certs/ca-certificates.crt',
  'etc/pki/tls/certs/ca-bundle.crt',
  'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  'etc/ssl/ca-bundle.pem',
  'etc/ssl/cert.pem',
] as const

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/** What RUN shall trust besides its image, as certificates and nothing else; null: nothing was asked. Throws BUILD_SOURCE_INVALID, BUILD_COPY_SOURCE_MISSING. */
export async function readTrustedCa({ ca = null }: BuildRequest, context: BuildContext): Promise<string | null> {
  if (ca === null) return null
  if (ca === 'system') return certificates(machineBundle(), 'this machine')
  if ('text' in ca) return certificates(ca.text, '--ca')
  const text = await context.text(ca.file, 'build.ca')
  if (text !== null) return certificates(text, ca.file)
  throw new DeployError(
    'BUILD_COPY_SOURCE_MISSING',
    `build.ca: there is no file ${ca.file} in the tree that is built`,
    {
      hint: 'Is it committed? Write system to take what the machine of the server trusts.',
    },
  )
}

/** The certificates in a text, each tried; a private key beside them goes nowhere. */
function certificates(text: string, of: string): string {
  const found = text.match(CERTIFICATE) ?? []
  if (found.length === 0) throw invalid(`${of} has no certificate in PEM form`)
  for (const [index, one] of found.entries()) {
    try {
      new X509Certificate(one)
    } catch (failed) {
      throw invalid(`certificate ${index + 1} of ${of} cannot be read: ${(failed as Error).message}`)
    }
  }
  return `${found.join('\n')}\n`
}

/** What this machine trusts: the first bundle that is there, and what Node was told to trust besides. */
export function machineBundle(): string {
  const { SSL_CERT_FILE, NODE_EXTRA_CA_CERTS } = process.env
  const bundle = [SSL_CERT_FILE ?? '', ...BUNDLES.map((path) => `/${path}`)].find((path) => existsSync(path))
  const files = [bundle, NODE_EXTRA_CA_CERTS].filter((path) => path !== undefined && existsSync(path))
  return [...new Set(files)].map((path) => readFileSync(path ?? '', 'utf8')).join('\n')
}

const invalid = (message: string) =>
  new DeployError('BUILD_SOURCE_INVALID', message, {
    hint: 'Give a file with lines -----BEGIN CERTIFICATE-----, as openssl and browsers export it (PEM, Base64).',
  })
