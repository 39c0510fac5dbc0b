import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import type { Scope } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'

/** A key of AES-256. */
export interface SealingKey {
  /** The first 16 hex digits of the key's SHA-256: says which key sealed a text, and nothing about the key. */
  readonly id: string
  /** 32 bytes. */
  readonly bytes: Uint8Array
}

/** What a sealed text belongs to; moved to another place it does not open. */
export interface SealBinding extends Scope {
  readonly name: string
  readonly version: number
}

const FORM = 'naru1'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The key with its id. */
export function sealingKey(bytes: Uint8Array): SealingKey {
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes }
}

/**
 * Seals a value by AES-256-GCM: `naru1.<key id>.<nonce>.<ciphertext and tag>`, base64url. `random` gives fresh bytes: a nonce
 * must never be used twice with one key.
 */
export function seal(
  key: SealingKey,
  binding: SealBinding,
  value: string,
  random: (size: number) => Uint8Array,
): string {
  const nonce = random(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(additionalData(key.id, binding))
  const sealed = Buffer.concat([cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return [FORM, key.id, Buffer.from(nonce).toString('base64url'), sealed.toString('base64url')].join('.')
}

/** Opens a sealed text with the key that its id names. Throws SECRET_KEY_UNUSABLE when none of the keys does, or a bit was changed. */
export function open(keys: readonly SealingKey[], binding: SealBinding, text: string): string {
  const [form, keyId, nonce = '', sealed = ''] = text.split('.')
  if (form !== FORM || keyId === undefined) throw unusable(binding, 'is not in a form that this version of Naru reads')
  const key = keys.find(({ id }) => id === keyId)
  if (key === undefined) throw unusable(binding, `was sealed with the key ${keyId}, which is not in the key file`)
  const bytes = Buffer.from(sealed, 'base64url')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, Buffer.from(nonce, 'base64url'), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(additionalData(keyId, binding))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8')
  } catch {
    // The cause is left out: it says nothing more, and it is made where the value was handled.
    throw unusable(binding, 'does not open: it was changed, or moved here from another place')
  }
}

const additionalData = (keyId: string, { app, environment, name, version }: SealBinding): Buffer =>
  Buffer.from(JSON.stringify([FORM, keyId, app, environment, name, version]))

function unusable({ app, environment, name, version }: SealBinding, why: string): DeployError {
  return new DeployError(
    'SECRET_KEY_UNUSABLE',
    `version ${version} of the secret ${name} (${app}/${environment}) ${why}`,
    {
      hint: 'Put the right key file back, or set the secret again: naru secret set NAME.',
      detail: { name, version },
    },
  )
}
