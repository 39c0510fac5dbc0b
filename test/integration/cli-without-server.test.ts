import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { CliStage, jsonLines } from './cli-stage.ts'

describe('the command line without a server', () => {
  const stage = CliStage.open()
  afterAll(async () => {
    expect(existsSync(stage.data), 'nothing here needs a data folder').toBe(false)
    expect(await stage.close()).toEqual([])
  })

  function folder(name: string, files: Readonly<Record<string, string>>): string {
    const path = join(stage.folder, name)
    mkdirSync(path)
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
    return path
  }

  it('tells its version, for people and for programs', async () => {
    expect(await stage.naru(['version'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^naru \d+\.\d+\.\d+ \(node /),
    })
    const { stdout } = await stage.naru(['version', '--output', 'json'])
    expect(jsonLines(stdout)).toEqual([{ naru: expect.any(String), node: process.versions.node }])
    expect((await stage.naru(['--version'])).code).toBe(0)
  })

  it.each([
    [['deplou'], "unknown command 'deplou'", 'Did you mean deploy?'],
    [['bogus'], "unknown command 'bogus'", 'See how it is used with: naru --help'],
    [['deploy', '--reff', 'x'], "unknown option '--reff'", 'Did you mean --ref?'],
    [['deploy', '--revision', 'x'], 'is invalid', 'Write a revision number, such as 42'],
    [['scale'], "missing required argument 'replicas'", 'naru scale --help'],
    [['status', 'extra'], 'too many arguments', 'naru status --help'],
    [['deploy', '--ref', 'a', '--image', 'b'], 'exclude each other', 'Give one of them'],
    [['secret', 'set', 'A=hunter2'], 'does not belong on a command line', 'naru secret set A'],
    [['version', '-o', 'xml'], 'is invalid', 'Write text or json.'],
    [['status', '--timeout', '0'], 'is invalid', 'Write a number of seconds above 0.'],
    [['--server', 'nowhere', 'status', '--app', 'a'], 'is no address of a server', 'http://127.0.0.1:7070'],
  ])('refuses %j with exit code 2 and what to do', async (args, message, hint) => {
    const { code, stdout, stderr } = await stage.naru(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^error USAGE_INVALID: /)
    expect(stderr).toContain(message)
    expect(stderr).toContain(hint)
    expect(stderr).not.toContain('hunter2')
  })

  it('tells errors as one JSON document under --output json', async () => {
    const { code, stdout, stderr } = await stage.naru(['deploy', '--nope', '-o', 'json'])
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
    expect(jsonLines(stdout)).toEqual([{ errors: [expect.objectContaining({ code: 'USAGE_INVALID' })] }])
  })

  it('shows its help when no command is given, which is wrong usage', async () => {
    expect(await stage.naru([])).toMatchObject({ code: 2, stdout: '' })
    expect(await stage.naru(['--help'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('rollback'),
    })
    expect((await stage.naru(['help', 'deploy'])).stdout).toContain('Examples:')
  })

  it('writes a naru.yaml that config reads, and never overwrites one', async () => {
    const cwd = folder('shop', { Dockerfile: 'FROM scratch\nEXPOSE 3000\nCMD ["/x"]\n' })
    const made = await stage.naru(['init'], { cwd })
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('wrote naru.yaml') })
    expect(made.stderr).toContain('naru deploy')
    const { stdout } = await stage.naru(['config'], { cwd })
    expect(stdout).toMatch(/^app +shop +naru.yaml:2:6$/m)
    expect(stdout).toMatch(/^rollout.maxSurge +25% +default$/m)
    expect(jsonLines((await stage.naru(['config', '-o', 'json'], { cwd })).stdout)[0]).toMatchObject({
      app: { app: 'shop' },
    })
    expect(await stage.naru(['init'], { cwd })).toMatchObject({ code: 2, stderr: expect.stringContaining('--force') })
    expect((await stage.naru(['init', '--force'], { cwd })).code).toBe(0)
  })

  it('writes a Dockerfile for a Node project that has none', async () => {
    const manifest = JSON.stringify({ scripts: { start: 'node app.mjs --fast' }, dependencies: { left: '1' } })
    const cwd = folder('nodes', { 'package.json': manifest, 'app.mjs': '', 'requirements.txt': '' })
    const { stdout, stderr } = await stage.naru(['init'], { cwd })
    expect(stdout).toContain('wrote Dockerfile')
    expect(stdout).toContain('wrote .dockerignore')
    expect(stderr).toContain('note: node, because of package.json; it could also be python')
    const dockerfile = readFileSync(join(cwd, 'Dockerfile'), 'utf8')
    expect(dockerfile).toContain('CMD ["node", "app.mjs", "--fast"]')
    expect(dockerfile).toMatch(/^USER 65532:65532$/m)
    const again = await stage.naru(['init', '--force', '--kind', 'python'], { cwd })
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('Dockerfile is there already') })
    expect((await stage.naru(['config'], { cwd })).code).toBe(0)
  })

  it('shows where a wrong key of naru.yaml is, with exit code 3', async () => {
    const cwd = folder('wrong', { 'naru.yaml': 'app: wrong\nreplica: 2\n' })
    const { code, stderr } = await stage.naru(['config'], { cwd })
    expect(code).toBe(3)
    expect(stderr).toMatch(/^error APPFILE_INVALID: naru\.yaml:2:1: .*replica/)
    expect(stderr).toContain('replicas')
  })

  it('asks for an environment only on a terminal', async () => {
    const cwd = folder('two', { 'naru.yaml': 'app: two\nenvironments: { a: {}, b: {} }\n' })
    expect(await stage.naru(['config'], { cwd })).toMatchObject({ code: 2, stderr: expect.stringContaining('-e NAME') })
    expect((await stage.naru(['config', '-e', 'b'], { cwd })).code).toBe(0)
    expect((await stage.naru(['config'], { cwd, env: { NARU_ENVIRONMENT: 'a' } })).code).toBe(0)
    expect(await stage.naru(['config', '-e', 'c'], { cwd })).toMatchObject({ code: 3 })
  })

  it('prints the JSON Schema of naru.yaml', async () => {
    const { code, stdout } = await stage.naru(['schema'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ title: 'naru.yaml', type: 'object' })
  })

  it('says when a file that was asked for is not there', async () => {
    const { code, stderr } = await stage.naru(['config', '--file', 'no.yaml'])
    expect(code).toBe(3)
    expect(stderr).toContain('no.yaml')
  })

  it('says that a server elsewhere does not answer', async () => {
    const { code, stderr } = await stage.naru(['status', '--app', 'a', '--server', 'http://127.0.0.1:1'])
    expect(code).toBe(10)
    expect(stderr).toMatch(/^error SERVER_UNREACHABLE: /)
  })
})
