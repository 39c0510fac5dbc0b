import { mkdirSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  aCertificate,
  aDockerRegistry,
  HAS_DOCKER_REGISTRY,
  HTPASSWD,
} from '../../src/registry/client/testing-docker-registry.ts'
import { CliStage, jsonLines } from './cli-stage.ts'

describe.skipIf(!HAS_DOCKER_REGISTRY)('a registry of one’s own (left out without docker-registry and openssl)', () => {
  const stage = CliStage.open()
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  }, 120_000)

  it('with TLS of its own authority and a login: what is built is pushed there, and deployed from there', async () => {
    const { certFile, keyFile } = await aCertificate(stage.folder)
    const passwords = join(stage.folder, 'htpasswd')
    await writeFile(passwords, HTPASSWD.text)
    await using registry = await aDockerRegistry({
      http: `tls: { certificate: ${certFile}, key: ${keyFile} }`,
      auth: `htpasswd: { realm: test, path: ${passwords} }`,
    })
    const { host } = registry
    mkdirSync(join(stage.folder, '.config/naru'), { recursive: true })
    const settings = { [host]: { plainHttp: false, ca: certFile } }
    writeFileSync(join(stage.folder, '.config/naru/registries.json'), JSON.stringify(settings))
    await stage.baseImage()
    const app = await stage.app('shop')
    await app.commit('good')
    const naru = (args: readonly string[], input = '') =>
      stage.naru(args, { cwd: app.repository, env: { CI: 'true' }, input })

    const build = ['build', '-o', `${host}/team/shop:v1`]
    const refused = await naru(build)
    expect(refused).toMatchObject({ code: 4 })
    expect(refused.stderr).toContain(`naru login ${host}`)
    expect(await naru(['login', host, '-u', 'kim', '--password-stdin'], HTPASSWD.password)).toMatchObject({ code: 0 })
    expect(await naru(build)).toMatchObject({ code: 0 })

    const deployed = await naru(['deploy', '--image', `${host}/team/shop:v1`, '-o', 'json'])
    expect({ code: deployed.code, stderr: deployed.stderr }).toEqual({ code: 0, stderr: '' })
    expect(jsonLines(deployed.stdout).length).toBeGreaterThan(0)
    expect((await fetch(app.url)).status).toBe(200)
    const plan = ['plan', '--image', `${host}/team/shop:v1`, '--exit-code', '--save', join(stage.folder, 'plan.json')]
    expect(await naru(plan)).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing differs') })

    // An image on top of that one: its layers are mounted at the registry, not sent again.
    writeFileSync(join(app.repository, 'Top.Dockerfile'), `FROM ${host}/team/shop:v1\nCOPY naru.yaml /top\n`)
    await app.commit('good')
    const top = await naru(['build', '--file', 'Top.Dockerfile', '--tag', `${host}/team/top:v1`, '-o', 'json'])
    expect({ code: top.code, stderr: top.stderr }).toEqual({ code: 0, stderr: '' })
    const sent = jsonLines(top.stdout)
      .filter(({ kind }) => kind === 'push')
      .at(-1)
    expect(sent?.sentBytes).toBeLessThan(20_000)

    // A tag moves on after a plan: what was planned is what is deployed.
    const move = async (text: string) => {
      writeFileSync(join(app.repository, 'moved.txt'), text)
      await app.commit('good')
      const moved = await naru([...build, '-o', 'json'])
      return jsonLines(moved.stdout).findLast(({ kind }) => kind === 'push')?.digest as string
    }
    const planned = await move('planned')
    expect(await naru(plan)).toMatchObject({ code: 2, stdout: expect.stringContaining(planned.slice(7, 19)) })
    expect(await move('later')).not.toBe(planned)
    expect(await naru(['deploy', '--plan', join(stage.folder, 'plan.json')])).toMatchObject({ code: 0 })
    const shown = await naru(['history', '-o', 'json'])
    expect(shown.stdout).toContain(planned)
    expect(deployed.stdout + refused.stderr).not.toContain(HTPASSWD.password)
  }, 240_000)
})
