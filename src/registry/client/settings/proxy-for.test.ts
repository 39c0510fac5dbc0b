import { expect, it } from 'vitest'
import { proxyFor } from './proxy-for.ts'

const PROXY = 'http://proxy.example.com:3128'

it.each([
  ['https://ghcr.io/v2/', { HTTPS_PROXY: PROXY }, PROXY],
  ['https://ghcr.io/v2/', { https_proxy: 'proxy.example.com:3128' }, PROXY],
  ['https://ghcr.io/v2/', { HTTP_PROXY: PROXY }, null],
  ['http://reg.lan/v2/', { HTTP_PROXY: PROXY }, PROXY],
  ['https://ghcr.io/', { HTTPS_PROXY: 'http://kim:canary@proxy:1' }, 'http://kim:canary@proxy:1'],
  ['https://ghcr.io/', { HTTPS_PROXY: '' }, null],
  ['http://localhost:5000/', { HTTP_PROXY: PROXY }, null],
  ['http://127.9.9.9:5000/', { HTTP_PROXY: PROXY }, null],
  ['http://[::1]:5000/', { HTTP_PROXY: PROXY }, null],
])('%s with %j goes through %s', (url, env, expected) => {
  expect(proxyFor(new URL(url), env)).toBe(expected)
})

it.each([
  ['reg.example.com', 'example.com', true],
  ['example.com', 'example.com', true],
  ['example.com', '.example.com', false],
  ['reg.example.com', '.example.com', true],
  ['reg.example.com', '*.example.com', true],
  ['notexample.com', 'example.com', false],
  ['reg.example.com', 'other.org, EXAMPLE.com', true],
  ['reg.example.com', '*', true],
  ['reg.example.com:5000', 'reg.example.com:5000', true],
  ['reg.example.com:5001', 'reg.example.com:5000', false],
  ['reg.example.com', 'reg.example.com:443', true],
  ['10.1.2.3', '10.0.0.0/8', true],
  ['11.1.2.3', '10.0.0.0/8', false],
  ['10.1.2.3', '10.1.2.3', true],
  ['10.1.2.3', '2.3', false],
  ['[fd00::7]', 'fd00::/8', true],
  ['[fd00::7]', 'fd00::7', true],
  ['[fd00::7]:5000', '[fd00::7]:5000', true],
  ['reg.example.com', '', false],
  ['reg.example.com', ',,', false],
  ['10.1.2.3', '10.0.0.0/999', false],
])('%s is excepted by NO_PROXY=%s: %s', (host, noProxy, expected) => {
  const env = { HTTPS_PROXY: PROXY, NO_PROXY: noProxy }
  expect(proxyFor(new URL(`https://${host}/v2/`), env) === null).toBe(expected)
})

it.each(['socks5://canary@proxy:1080', 'http://', ':// canary'])('A10: %s is refused, and not printed', (proxy) => {
  const asking = () => proxyFor(new URL('https://ghcr.io/'), { HTTPS_PROXY: proxy })
  expect(asking).toThrow(expect.objectContaining({ code: 'REGISTRY_SETTINGS_INVALID' }))
  expect(asking).not.toThrow(/canary/)
})
