import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { serveNaru } from '../bench/harness/registries.ts'
import { StormClient } from './storm-client.ts'

const NARU = join(import.meta.dirname, '../../bin/naru')
const RUN_MS = 60_000
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nk-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** `naru registry …` on the folder. */
async function naru(...args: readonly string[]) {
  const child = spawn(process.execPath, [NARU, 'registry', ...args, '--data', folder], { timeout: RUN_MS })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  return { code, out, err }
}

async function push(host: string, tags: readonly string[], repository = 'shop') {
  const client = new StormClient(Number(host.split(':')[1]))
  const images = []
  for (const tag of tags)
    images.push(await client.pushImage(repository, Buffer.from(`{"tag":"${tag}"}`), [Buffer.alloc(2000, tag)], tag))
  client.close()
  return images
}

const files = () =>
  readdirSync(join(folder, 'registry'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** As if nothing had been used for two days. */
function age(): void {
  const then = Date.now() / 1000 - 2 * 86_400
  for (const path of files()) utimesSync(path, then, then)
}

const tagsOf = async (host: string, repository = 'shop') =>
  ((await (await fetch(`http://${host}/v2/${repository}/tags/list`)).json()) as { tags: string[] }).tags

it('gc lets tags go by a rule and frees what is left, while the registry serves; a dry run tells it before', async () => {
  await using registry = await serveNaru(folder)
  await push(registry.host, ['v1', 'v2', 'pr-1', 'pr-2', 'latest'])
  age()
  const before = files().length
  const would = await naru('gc', '--tag', 'pr-*', '--older-than', '1d', '--dry-run')
  expect(would).toMatchObject({ code: 0, err: '' })
  expect(would.out).toMatch(
    /^shop:pr-1 {2}set 2\.0 days ago\nshop:pr-2 {2}.*\n2 tags, 2 manifests, 6 blobs, .* would go\n$/,
  )
  expect(files().length).toBe(before)
  age()
  const done = await naru('gc', '--tag', 'pr-*', '--older-than', '1d', '-o', 'json')
  expect(JSON.parse(done.out)).toMatchObject({ kind: 'collected', dryRun: false, manifests: 2, blobs: 6 })
  expect(await tagsOf(registry.host)).toEqual(['latest', 'v1', 'v2'])
  age()
  const last = await naru('gc', '--keep-last', '0', '--protect', 'v*')
  expect(last.out).toMatch(/^shop:latest {2}not among the last 0\n1 tags, 1 manifests, 3 blobs/)
  expect(await tagsOf(registry.host)).toEqual(['v1', 'v2'])
}, 120_000)

it('gc works where nobody serves, spares what is young, and refuses a rule that says nothing', async () => {
  {
    await using registry = await serveNaru(folder)
    const [image] = await push(registry.host, ['v1'])
    await fetch(`http://${registry.host}/v2/shop/manifests/${image?.top.digest}`, { method: 'DELETE' })
  }
  expect((await naru('gc')).out).toBe('0 tags, 0 manifests, 0 blobs, 0 B freed\n')
  age()
  expect((await naru('gc')).out).toMatch(/^0 tags, 0 manifests, 3 blobs/)
  expect(files()).toEqual([])
  const refused = [
    [['gc', '--protect', 'v*'], '--keep-last'],
    [['gc', '--keep-last', '1', '--repository', 'te am'], 'matches nothing'],
    [['gc', '--tag', 'a b'], 'matches no tag'],
    [['gc', '--tag', '--older-than', '1d'], 'matches no tag'],
    [['gc', '--older-than', '14'], 'Write a time'],
  ] as const
  for (const [args, message] of refused)
    expect(await naru(...args)).toMatchObject({ code: 2, err: expect.stringContaining(message) })
  await rm(join(folder, 'registry'), { recursive: true })
  for (const command of ['gc', 'scrub'])
    expect(await naru(command)).toMatchObject({ code: 2, err: expect.stringContaining('there is no registry in') })
}, 120_000)

it('gc names the repository of which nothing goes because a manifest is damaged', async () => {
  await using registry = await serveNaru(folder)
  const [image] = await push(registry.host, ['v1'])
  const digest = image?.top.digest ?? ''
  writeFileSync(join(folder, 'registry/blobs/sha256', digest.slice(7, 9), digest.slice(7)), 'damaged')
  age()
  const collected = await naru('gc')
  expect(collected).toMatchObject({ code: 0, out: '0 tags, 0 manifests, 0 blobs, 0 B freed\n' })
  expect(collected.err).toContain(`shop stays whole: the manifest ${digest} is damaged or lost`)
}, 120_000)

it('scrub finds damage while the registry serves, fetches it from another one, and fails where none has it', async () => {
  await using registry = await serveNaru(folder)
  const [image] = await push(registry.host, ['v1'])
  expect(await naru('scrub')).toMatchObject({ code: 0, out: expect.stringMatching(/^3 blobs, .* read, 0 damaged\n$/) })
  const digest = image?.blobs[1] ?? ''
  const path = join(folder, 'registry/blobs/sha256', digest.slice(7, 9), digest.slice(7))
  const bytes = readFileSync(path)
  const flip = () => writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from('!')]))
  flip()
  const lost = await naru('scrub', '--rate', '1Gi')
  expect(lost).toMatchObject({ code: 10, err: expect.stringContaining('STORE_CORRUPT') })
  expect(lost.out).toContain(`damaged: ${digest}  in shop  lost`)
  const client = await fetch(`http://${registry.host}/v2/shop/blobs/${digest}`)
  expect(client.status).toBe(404)
  const second = await mkdtemp(join(tmpdir(), 'nk-'))
  try {
    await using other = await serveNaru(second)
    await push(other.host, ['v1'])
    const mended = await naru('scrub', '--from', other.host, '-o', 'json')
    expect(mended.code).toBe(0)
    expect(JSON.parse(mended.out.trim().split('\n').at(-1) ?? '')).toMatchObject({
      kind: 'scrubbed',
      damaged: [{ digest, repositories: ['shop'], fetchedFrom: `${other.host}/shop` }],
    })
    const again = await fetch(`http://${registry.host}/v2/shop/blobs/${digest}`)
    expect(Buffer.from(await again.arrayBuffer()).equals(bytes)).toBe(true)
  } finally {
    await rm(second, { recursive: true, force: true })
  }
}, 120_000)

it('usage, tags and rm tell what is there, and take tags and manifests away', async () => {
  await using registry = await serveNaru(folder)
  const [image] = await push(registry.host, ['v1', 'v2'])
  expect((await naru('usage')).out).toMatch(
    /^repository {2}tags {2}size\s*\nshop {8}2 {5}4\.\d KiB\s*\n4\.\d KiB on the disk, 0 B of it could be freed\n$/,
  )
  const listed = await naru('tags', 'shop')
  expect(listed.out).toContain(image?.top.digest)
  expect(await naru('rm', 'shop:v2')).toMatchObject({ code: 0, out: 'deleted shop:v2\n' })
  expect(await naru('rm', 'shop:v2')).toMatchObject({
    code: 5,
    err: expect.stringContaining('naru registry tags shop'),
  })
  expect(await tagsOf(registry.host)).toEqual(['v1'])
  expect(await naru('rm', `shop@${image?.top.digest}`)).toMatchObject({ code: 0 })
  expect(await tagsOf(registry.host)).toEqual([])
}, 120_000)

it('scrub fetches damaged copies of another registry from there', async () => {
  const second = await mkdtemp(join(tmpdir(), 'nk-'))
  try {
    await using hub = await serveNaru(second)
    const [image] = await push(hub.host, ['v1'])
    await using cache = await serveNaru(folder, ['--cache', `hub/=${hub.host}`])
    expect((await fetch(`http://${cache.host}/v2/hub/shop/manifests/v1`)).status).toBe(200)
    const digest = image?.top.digest ?? ''
    writeFileSync(join(folder, 'registry/blobs/sha256', digest.slice(7, 9), digest.slice(7)), 'damaged')
    const scrubbed = await naru('scrub')
    expect(scrubbed.out).toContain(`damaged: ${digest}  in hub/shop  fetched from ${hub.host}/shop`)
    expect(scrubbed.code).toBe(0)
  } finally {
    await rm(second, { recursive: true, force: true })
  }
}, 120_000)
