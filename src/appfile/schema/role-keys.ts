import { z } from 'zod'
import {
  command,
  cpu,
  flag,
  hostName,
  memory,
  percent,
  port,
  scalar,
  seconds,
  text,
  urlPath,
  variableName,
  whole,
} from './values.ts'

const status = whole(100, 599, 'a status')

const checkSchema = z
  .strictObject({
    path: urlPath.optional().describe('Asks for this path over HTTP'),
    tcp: z.union([flag, port], { error: 'true or a port' }).optional().describe('Connects to the port'),
    run: command.optional().describe('Runs this in the replica; exit 0 is ready'),
    port: port.optional().describe("Default: the role's port"),
    host: hostName.optional().describe("The Host header; default: the first route's"),
    expect: z
      .union([status, z.array(status).min(1)], { error: 'a status, or a list of them' })
      .optional()
      .describe('Status codes that mean ready; default 200 to 299'),
  })
  .describe('One of path, tcp and run')

export const healthSchema = z.strictObject({
  readiness: checkSchema.optional().describe("Default: the image's HEALTHCHECK, else a connect to the port"),
  liveness: checkSchema.optional().describe('Off unless written'),
  startup: whole(1, 86_400, 'whole seconds')
    .optional()
    .describe('Seconds a replica may take to become ready for the first time; default 60'),
})

const replicas = z
  .union(
    [
      whole(0, 10_000, 'a number'),
      z.strictObject({ perHost: whole(1, 1000, 'a number') }),
      z.strictObject({
        min: whole(0, 10_000, 'a number'),
        max: whole(1, 10_000, 'a number'),
        cpu: percent.optional().describe('Use of the cpu request that is aimed at'),
      }),
    ],
    { error: 'a number, { perHost: n } or { min, max, cpu }' },
  )
  .describe('How many in all (default 1), per host, or between two limits')

const amounts = z.strictObject({ cpu: cpu.optional(), memory: memory.optional() })
const resources = z
  .strictObject({
    cpu: cpu.optional(),
    memory: memory.optional(),
    requests: amounts.optional().describe('In place of cpu and memory as requests'),
    limits: amounts.optional().describe('In place of memory as the limit; the only cap on cpu'),
  })
  .describe('memory is request and limit, cpu a request only')

/** Keys of a role that also stand at the top level, where they mean the role `web`. */
export const roleKeys = {
  run: command.optional().describe("In place of the image's CMD"),
  port: port.optional().describe("Where the program listens; default: the image's EXPOSE, else 8080"),
  replicas: replicas.optional(),
  resources: resources.optional(),
  terminationGracePeriodSeconds: seconds(86_400).optional().describe('From the stop signal to SIGKILL; default 30'),
}

export const roleSchema = z
  .strictObject({
    ...roleKeys,
    env: z.record(variableName, scalar).optional().describe('Environment variables of this role only'),
    health: healthSchema.optional(),
    hosts: z.array(text('a host')).optional().describe('The hosts of the environment that run this role'),
  })
  .describe('One kind of process')
