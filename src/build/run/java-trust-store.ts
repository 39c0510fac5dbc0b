import { createHash } from 'node:crypto'
import { EARLIEST } from '../image/file-time.ts'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g
const MAGIC = 0xfeed_feed
const VERSION = 2
const TRUSTED = 2
/** Java's own for its cacerts: it keeps nothing secret, and shows that the file is whole. */
const PASSWORD = 'changeit'
/** What is hashed between the password and the entries, by the format. */
const SALT = 'Mighty Aphrodite'

/** The certificates of a PEM text as a keystore of the form JKS, which every JVM reads: the same bytes for the same text. */
export function javaTrustStore(pem: string): Buffer {
  const certificates = [...pem.matchAll(CERTIFICATE)].map(([, text = '']) => Buffer.from(text, 'base64'))
  const entries = certificates.map((der, at) =>
    Buffer.concat([int(TRUSTED), utf(`naru-${at}`), long(EARLIEST * 1000), utf('X.509'), int(der.length), der]),
  )
  const store = Buffer.concat([int(MAGIC), int(VERSION), int(entries.length), ...entries])
  const password = Buffer.from(PASSWORD, 'utf16le').swap16()
  return Buffer.concat([store, createHash('sha1').update(password).update(SALT).update(store).digest()])
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/** Length and bytes: these texts are ASCII. */
function utf(text: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(text.length)
  return Buffer.concat([length, Buffer.from(text)])
}
