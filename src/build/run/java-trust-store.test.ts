import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { javaTrustStore } from './java-trust-store.ts'

const KEYTOOL = '/usr/bin/keytool'

describe('javaTrustStore', () => {
  it('is the same for the same certificates, and holds each of them', () => {
    const pem = rootCertificates.slice(0, 3).join('\n# a comment\n')
    const store = javaTrustStore(pem)
    expect(store).toEqual(javaTrustStore(pem))
    for (const one of rootCertificates.slice(0, 3)) {
      const der = Buffer.from(one.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64')
      expect(store.includes(der)).toBe(true)
    }
  })

  it.skipIf(!existsSync(KEYTOOL))(
    'is read by Java, which finds it whole (needs keytool)',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'naru-jks-'))
      const list = (...more: readonly string[]) =>
        execFileSync(KEYTOOL, ['-list', '-keystore', join(folder, 'store'), '-storepass', 'changeit', ...more], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        })
      try {
        writeFileSync(join(folder, 'store'), javaTrustStore(rootCertificates.join('\n')))
        const text = list('-rfc')
        expect(text.match(/trustedCertEntry/g)).toHaveLength(rootCertificates.length)
        const plain = (one: string) => one.replaceAll(/\s/g, '')
        for (const one of rootCertificates) expect(plain(text)).toContain(plain(one))
        const damaged = javaTrustStore(rootCertificates.join('\n'))
        damaged[100] = (damaged[100] ?? 0) ^ 1
        writeFileSync(join(folder, 'store'), damaged)
        expect(() => list()).toThrow('Command failed')
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
    60_000,
  )
})
