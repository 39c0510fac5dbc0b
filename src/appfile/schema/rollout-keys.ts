import { z } from 'zod'
import { checked, countOrPercent, hostName, label, port, seconds, text, urlPath, whole } from './values.ts'

const LISTEN = /^(?:(localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\]):)?(\d{1,5})$/

/** `127.0.0.1:8080`, `[::1]:8080`, `8080` → host and port (host 127.0.0.1 unless written), or null. */
export function parseListen(written: string | number): { readonly host: string; readonly port: number } | null {
  const [, host = '127.0.0.1', digits = ''] = LISTEN.exec(String(written)) ?? []
  const number = Number(digits)
  const bytes = host.split('.').map(Number)
  if (digits === '' || number < 1 || number > 65_535 || (bytes.length === 4 && bytes.some((byte) => byte > 255)))
    return null
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: number }
}

const listen = checked(z.union([port, z.string()], { error: 'an address such as 127.0.0.1:8080' }), (value) =>
  parseListen(value) === null
    ? { wrong: 'an address such as 127.0.0.1:8080', hint: 'Write ADDRESS:PORT with an IP address, or only the port.' }
    : null,
)

/** One of `routes:`. */
export const routeSchema = z
  .strictObject({
    role: label('role').optional().describe('Who answers; default web'),
    listen: listen.optional().describe("What is published; default 127.0.0.1 and the role's port"),
    host: hostName.optional().describe('Host name of the requests (needs an L7 router)'),
    path: urlPath.optional().describe('Path that the requests begin with; default /'),
    tls: text('acme or the name of a certificate').optional().describe('acme, or the name of a certificate'),
  })
  .describe('What a client calls, and the role that answers')

/** `rollout:` Kubernetes' names, meaning and rounding. */
export const rolloutSchema = z
  .strictObject({
    strategy: z
      .enum(['RollingUpdate', 'Recreate', 'Canary', 'BlueGreen'], {
        error: 'RollingUpdate, Recreate, Canary or BlueGreen',
      })
      .optional()
      .describe('Default RollingUpdate'),
    maxSurge: countOrPercent.optional().describe('Replicas above the desired number; default 25%'),
    maxUnavailable: countOrPercent.optional().describe('Replicas that may be missing; default 0'),
    minReadySeconds: seconds(86_400).optional().describe('Seconds a replica must be ready to be available'),
    progressDeadlineSeconds: whole(1, 86_400, 'whole seconds')
      .optional()
      .describe('Without progress the rollout fails; default 120'),
    terminationGracePeriodSeconds: seconds(86_400).optional().describe('From the stop signal to SIGKILL; default 30'),
    drainSeconds: seconds(86_400).optional().describe('How long requests in flight are waited for'),
    revisionHistoryLimit: whole(0, 1000, 'a number').optional().describe('Revisions that are kept; default 10'),
    onFailure: z
      .enum(['rollback', 'hold', 'continue'], { error: 'rollback, hold or continue' })
      .optional()
      .describe('Default rollback'),
    startRetries: whole(0, 100, 'a number')
      .optional()
      .describe('Exits of a new replica before they are the cause; default 1'),
  })
  .describe('How an environment moves to a release')

/** `receipt:` what is measured while it rolls. */
export const receiptSchema = z
  .strictObject({
    path: urlPath.optional().describe('Default: the readiness path, else /'),
    rate: z
      .number({ error: 'requests a second, from 0.1 to 1000' })
      .min(0.1, { error: 'requests a second, from 0.1 to 1000' })
      .max(1000, { error: 'requests a second, from 0.1 to 1000' })
      .optional()
      .describe('Requests a second; default 5'),
  })
  .describe('Requests through the real route while it rolls; false: not measured')
