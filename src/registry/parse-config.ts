import { type ImageConfig, isDigest } from '../model/descriptor.ts'
import { asObject, invalid, parseObject } from './parse-manifest.ts'

type Members = Record<string, unknown>
type Check = (value: unknown, where: string) => void

const text: Check = (value, where) => {
  if (typeof value !== 'string') throw invalid(`${where} is no text`)
}
const texts: Check = (value, where) => {
  if (!Array.isArray(value)) throw invalid(`${where} is no list`)
  for (const [index, item] of value.entries()) text(item, `${where}[${index}]`)
}
const anObject: Check = (value, where) => {
  asObject(value, where)
}
const textMap: Check = (value, where) => {
  for (const [key, item] of Object.entries(asObject(value, where))) text(item, `${where}.${key.slice(0, 80)}`)
}
const nanoseconds: Check = (value, where) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(`${where} is no number`)
}
const healthcheck: Check = (value, where) =>
  checkMembers(asObject(value, where), { Test: texts, Interval: nanoseconds, Timeout: nanoseconds }, where)

/** Members of `config` that are used, and what each must be (OCI image specification, config.md). */
const SETTINGS: Readonly<Record<string, Check>> = {
  User: text,
  ExposedPorts: anObject,
  Env: texts,
  Entrypoint: texts,
  Cmd: texts,
  Volumes: anObject,
  WorkingDir: text,
  Labels: textMap,
  StopSignal: text,
  Healthcheck: healthcheck,
}

/**
 * Reads the settings of an image with `layers` layers. Docker writes `null` for members that are not set: they are left
 * out. Throws IMAGE_INVALID with the member that is wrong.
 */
export function parseConfig(bytes: Uint8Array, layers: number): ImageConfig {
  const body = withoutNulls(parseObject(bytes, 'the config'))
  text(body.architecture, 'architecture')
  text(body.os, 'os')
  if (body.created !== undefined) text(body.created, 'created')
  const rootfs = asObject(body.rootfs, 'rootfs')
  if (rootfs.type !== 'layers') throw invalid('rootfs.type is not layers')
  const diffIds = rootfs.diff_ids ?? []
  texts(diffIds, 'rootfs.diff_ids')
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest))
    throw invalid('rootfs.diff_ids holds something that is no digest')
  if (diffIds.length !== layers) throw invalid(`the image has ${layers} layers, its config names ${diffIds.length}`)
  const config = body.config === undefined ? undefined : withoutNulls(asObject(body.config, 'config'))
  if (config !== undefined) checkMembers(config, SETTINGS, 'config')
  const history = Array.isArray(body.history)
    ? body.history.map((step, n) => withoutNulls(asObject(step, `history[${n}]`)))
    : []
  // Every member that is used was checked above; the rest is passed on as it came.
  return {
    ...body,
    ...(config === undefined ? {} : { config }),
    history,
    rootfs: { type: 'layers', diff_ids: diffIds },
  } as unknown as ImageConfig
}

function checkMembers(body: Members, checks: Readonly<Record<string, Check>>, where: string): void {
  for (const [name, check] of Object.entries(checks)) {
    if (body[name] !== undefined && body[name] !== null) check(body[name], `${where}.${name}`)
  }
}

const withoutNulls = (body: Members): Members =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
