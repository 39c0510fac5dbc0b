import { describe, expect, it } from 'vitest'
import { formatRegistryRight, isAllowed, isAllowedEverywhere, parseRegistryRight } from './registry-right.ts'

describe('rights in a registry', () => {
  it.each([
    ['pull', '**', ['pull'], '**:pull'],
    ['push', '**', ['pull', 'push'], '**:push'],
    ['all', '**', ['pull', 'push', 'delete'], '**:all'],
    ['team/shop:delete', 'team/shop', ['pull', 'delete'], 'team/shop:delete'],
    ['team/**:push,delete', 'team/**', ['pull', 'push', 'delete'], 'team/**:all'],
    ['a/*-b/*:pull,pull', 'a/*-b/*', ['pull'], 'a/*-b/*:pull'],
  ])('%s is read', (text, repositories, actions, formatted) => {
    const right = parseRegistryRight(text)
    expect(right).toEqual({ repositories, actions })
    expect(formatRegistryRight(right)).toBe(formatted)
    expect(parseRegistryRight(formatted)).toEqual(right)
  })

  it.each([
    ['', 'is none of'],
    ['team/shop', 'is none of pull, push, delete, all'],
    ['team/shop:', 'is none of'],
    ['team/shop:write', '"write" is none of'],
    ['constructor', 'is none of'],
    [':pull', 'no repository name has'],
    ['Team/*:pull', 'no repository name has'],
    ['a//b:pull', 'no repository name has'],
    ['a/x**:pull', 'no repository name has'],
    ['host:5000/a:pull', 'no repository name has'],
    ['**/a/**:pull', 'may stand once'],
    [`${'a'.repeat(256)}:pull`, 'no repository name has'],
  ])('%s is refused', (text, message) => {
    expect(() => parseRegistryRight(text)).toThrow(message)
  })

  it.each([
    ['**', ['a', 'a/b', 'a/b/c'], []],
    ['team/shop', ['team/shop'], ['team/shops', 'team', 'team/shop/x', 'x/team/shop']],
    ['team/*', ['team/shop', 'team/a.b'], ['team', 'team/a/b', 'teams/a']],
    ['team/**', ['team/shop', 'team/a/b/c'], ['team', 'teams/a', 'x/team/a']],
    ['**/base', ['base', 'a/base', 'a/b/base'], ['bases', 'base/a', 'a-base']],
    ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['a', 'z', 'a/b', 'a/zz']],
    ['a*b', ['ab', 'axb', 'ab-b'], ['a', 'b', 'abc', 'a/b']],
    ['a*b*c', ['abc', 'a-b-c', 'abbc'], ['acb', 'ab', 'ac']],
    ['ab*ba', ['abba', 'abxba'], ['aba', 'ab', 'ba']],
    ['*', ['a', 'abc'], ['a/b']],
  ])('%s matches what it says and nothing else', (pattern, yes, no) => {
    const rights = [parseRegistryRight(`${pattern}:pull`)]
    expect([...yes, ...no].filter((name) => isAllowed(rights, name, 'pull'))).toEqual(yes)
    expect(yes.some((name) => isAllowed(rights, name, 'push') || isAllowed(rights, name, 'delete'))).toBe(false)
  })

  it('takes no time for many stars', () => {
    const rights = [parseRegistryRight(`${'a*'.repeat(120)}b:pull`)]
    expect(isAllowed(rights, 'a'.repeat(255), 'pull')).toBe(false)
  })

  it('knows what is allowed everywhere', () => {
    const rights = [parseRegistryRight('pull'), parseRegistryRight('team/**:all')]
    expect(isAllowedEverywhere(rights, 'pull')).toBe(true)
    expect(isAllowedEverywhere(rights, 'push')).toBe(false)
    expect(isAllowed(rights, 'team/a', 'delete')).toBe(true)
  })
})
