import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseGitUrl, withoutUserInfo } from './git-url.ts'

const refused = expect.objectContaining({ code: 'SOURCE_URL_INVALID' })

describe('a source URL', () => {
  it.each([
    // text                                       kind      protocol  url for people                          user information
    ['https://git.example.com/team/shop.git', 'https', 'https://git.example.com/team/shop.git', null],
    ['https://git.example.com:8443/shop', 'https', 'https://git.example.com:8443/shop', null],
    ['https://kim:a%2Fb%40c@git.example.com/shop.git', 'https', 'https://git.example.com/shop.git', 'kim:a/b@c'],
    ['https://token@git.example.com/shop.git', 'https', 'https://git.example.com/shop.git', 'token:'],
    ['https://[::1]:8443/shop.git', 'https', 'https://[::1]:8443/shop.git', null],
    ['ssh://git@git.example.com/team/shop.git', 'ssh', 'ssh://git@git.example.com/team/shop.git', null],
    ['ssh://git.example.com:2222/~kim/shop', 'ssh', 'ssh://git.example.com:2222/~kim/shop', null],
    ['git@github.com:team/shop.git', 'ssh', 'git@github.com:team/shop.git', null],
    ['host-alias:shop.git', 'ssh', 'host-alias:shop.git', null],
    ['git@host:/srv/git/shop.git', 'ssh', 'git@host:/srv/git/shop.git', null],
  ])('%s is a remote one', (text, protocol, url, userInfo) => {
    expect(parseGitUrl(text)).toEqual({ kind: 'remote', protocol, url, userInfo })
  })

  it.each(['/srv/git/shop.git', '/home/kim/my app', '/repos/안녕', '/a:b', '/-x'])(
    '%s is a path of this machine',
    (path) => {
      expect(parseGitUrl(path)).toEqual({ kind: 'local', path, url: path })
    },
  )

  it.each([
    ['', /empty/],
    ['--upload-pack=touch x', /looks like an option/],
    ['-oProxyCommand=touch x', /looks like an option/],
    ['ext::sh -c touch% x', /transport helper/],
    ['EXT::sh -c x', /transport helper/],
    ['fd::17', /transport helper/],
    ['https::https://host/x', /transport helper/],
    ['file:///etc', /protocol file/],
    ['http://host/x', /protocol http,/],
    ['git://host/x', /protocol git,/],
    ['FILE:///etc', /protocol FILE/],
    ['ssh://-oProxyCommand=x/y', /no ssh:/],
    ['ssh://git@-oProxyCommand=x/y', /no ssh:/],
    ['ssh://kim:secret@host/x', /has a password/],
    ['ssh://host', /no ssh:/],
    ['-host:path', /looks like an option/],
    ['git@-host:path', /no user@host:path/],
    ['host:-path', /no user@host:path/],
    ['a$(touch x)@host:path', /no user@host:path/],
    ['ho;st:path', /no user@host:path/],
    ['https://host', /no https/],
    ['https://ho st/x', /no URL/],
    ['https://host/x y', /no https/],
    ['https://host/x#main:sub', /fragment/],
    ['https://host/x?service=y', /query/],
    ['https://host\\evil/x', /no https/],
    ['https://', /no URL/],
    ['./shop', /relative path/],
    ['../shop', /relative path/],
    ['shop', /relative path/],
    ['C:\\shop\n', /unprintable/],
    ['/srv/git/a\nb', /unprintable/],
    ['https://host/\u0000', /unprintable/],
    [`https://host/${'x'.repeat(3000)}`, /too long/],
  ])('%j is refused', (text, why) => {
    expect(() => parseGitUrl(text)).toThrow(refused)
    expect(() => parseGitUrl(text)).toThrow(why)
  })

  it('is refused without telling its password', () => {
    for (const url of ['ftp://kim:s3cret@host/x', 'https://kim:s3cret@host/x#y', 'ssh://kim:s3cret@host/x']) {
      expect(() => parseGitUrl(url)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('s3cret') }),
      )
    }
    expect(withoutUserInfo("fatal: unable to access 'https://kim:s3cret@host/x/': no")).toBe(
      "fatal: unable to access 'https://host/x/': no",
    )
  })

  it('is accepted or refused, and nothing that is accepted can be an option or a helper', () => {
    const part = fc.constantFrom(
      '-',
      '--',
      'ext::',
      'ssh://',
      'https://',
      'git@',
      'host',
      ':',
      '/',
      'x',
      '@',
      '\n',
      '$(x)',
      '%2d',
      '#',
      '..',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        let place: ReturnType<typeof parseGitUrl>
        try {
          place = parseGitUrl(parts.join(''))
        } catch (failed) {
          expect(failed).toEqual(refused)
          return
        }
        expect(place.url).not.toMatch(/^-|^[^/]*::|\n/)
        // No host and no path begins with a dash. Behind the colon of `host:path` an @ is a part of the path.
        if (place.kind === 'remote') expect(place.url).not.toMatch(/^ssh:\/\/([^/]*@)?-|^[^/:]*@-|^[^/:]*:-/)
      }),
      { examples: [[['host', ':', '@', '-']]] },
    )
  })
})
