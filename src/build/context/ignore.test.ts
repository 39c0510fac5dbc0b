import { describe, expect, it } from 'vitest'
import { DeployError } from '../../model/failure.ts'
import { readIgnore } from './ignore.ts'

const PATHS = ['a', 'b.md', 'c+d', '(group)/x', 'dir/a', 'dir/b.md', 'dir/sub/a', 'xdir/a', '#h', '!b', 'w[x', 'a\\b']
const left = (...lines: string[]) => {
  const { ignores } = readIgnore(lines.join('\n'))
  return PATHS.filter((path) => ignores(path))
}

// The rules of moby/patternmatcher (pattern, path → match) and of its ignorefile (lines → patterns).
describe('readIgnore', () => {
  it.each<[string, string[], string[]]>([
    ['nothing', [], []],
    ['a name at the root', ['a'], ['a']],
    ['a folder with all in it', ['dir'], ['dir/a', 'dir/b.md', 'dir/sub/a']],
    ['a folder with a slash', ['dir/'], ['dir/a', 'dir/b.md', 'dir/sub/a']],
    ['a leading slash', ['/dir/sub'], ['dir/sub/a']],
    ['a leading dot', ['./dir/sub'], ['dir/sub/a']],
    ['dots in the middle', ['dir/../a', 'dir/./sub'], ['a', 'dir/sub/a']],
    ['a star in one name', ['*.md'], ['b.md']],
    ['a star is no slash', ['d*a'], []],
    ['a star that matches a folder', ['d*'], ['dir/a', 'dir/b.md', 'dir/sub/a']],
    ['stars in two levels', ['*/*.md'], ['dir/b.md']],
    ['a question mark', ['?'], ['a']],
    ['a question mark is no slash', ['dir?a'], []],
    ['two stars before a name', ['**/a'], ['a', 'dir/a', 'dir/sub/a', 'xdir/a']],
    ['two stars before a pattern', ['**/*.md'], ['b.md', 'dir/b.md']],
    ['two stars before a path', ['**/sub/a'], ['dir/sub/a']],
    ['two stars after a folder', ['dir/**'], ['dir/a', 'dir/b.md', 'dir/sub/a']],
    ['two stars between', ['dir/**/a'], ['dir/a', 'dir/sub/a']],
    ['two stars before the end of a name', ['**dir'], ['dir/a', 'dir/b.md', 'dir/sub/a', 'xdir/a']],
    ['two stars inside a name', ['dir/s**'], ['dir/sub/a']],
    ['two stars alone', ['**'], PATHS],
    ['a set', ['[ab]*'], ['a', 'b.md', 'a\\b']],
    ['a range', ['[a-b].md'], ['b.md']],
    ['a set with its contrary', ['[^a-x#!(]*'], []],
    ['an escaped bracket', ['w\\[x'], ['w[x']],
    ['a bracket in a set', ['w[[]x'], ['w[x']],
    ['an escaped backslash', ['a\\\\b'], ['a\\b']],
    ['signs of regular expressions', ['c+d', '(group)', 'a|b', '^a', 'a$', '{a,b}'], ['c+d', '(group)/x']],
    ['signs of regular expressions beside a star', ['c+*', '(g*)'], ['c+d', '(group)/x']],
    ['a dot as a dot', ['b?md', 'bxmd'], ['b.md']],
    ['an exception', ['**/*.md', '!dir/b.md'], ['b.md']],
    ['an exception in a folder', ['dir', '!dir/sub'], ['dir/a', 'dir/b.md']],
    ['the last that matches', ['!a', 'a'], ['a']],
    ['an exception and again', ['dir', '!dir/sub', 'dir/sub/a'], ['dir/a', 'dir/b.md', 'dir/sub/a']],
    ['an exception of a folder above', ['**/a', '!dir'], ['a', 'xdir/a']],
    ['a blank after the bang', ['a', '! a'], []],
    ['comments', ['# a', '#h'], []],
    ['an escaped hash', ['\\#h'], ['#h']],
    ['an escaped bang', ['\\!b'], ['!b']],
    ['blanks around', ['  a  ', '\tb.md\r'], ['a', 'b.md']],
    ['an empty line', ['', '   '], []],
    ['a byte order mark', ['\uFEFFa'], ['a']],
    ['capitals', ['A', 'DIR'], []],
    ['the dot and the slash', ['.', '/', '..', '../a'], []],
  ])('takes %s', (_name, lines, expected) => {
    expect(left(...lines)).toEqual(expected)
  })

  it.each(['!', '! ', '[a', 'a[', 'x/[^', 'a\\'])('refuses %s', (line) => {
    expect(() => readIgnore(`ok\n${line}`)).toThrow(DeployError)
  })
})
