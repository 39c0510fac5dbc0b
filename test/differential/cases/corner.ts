import type { DockerfileCase } from '../dockerfile-case.ts'

const files = {
  'src/a': 'A',
  'src/b/c': 'C',
  'src/b/d/e': 'E',
  'src/run': { run: '#!/bin/sh\necho ran\n' },
  'src/link': { link: 'a' },
  'x.txt': 'x',
  'y.txt': 'y',
  'with blank': 'blank',
  'p/q/r/f': 'f',
  'p/q/g.txt': 'g',
  'p/z.txt': 'z',
  abs: { link: '/x.txt' },
  'abs-folder': { link: '/src/b' },
  'src/above': { link: '../../../x.txt' },
  up: { link: '../../../../etc/passwd' },
  'eq=a': 'eq',
  do$lar: 'd',
} as const

/** A case that is named by its lines. */
export const built = (...dockerfile: readonly string[]): DockerfileCase => ({
  name: dockerfile.join(' ⏎ '),
  dockerfile,
  files,
})

export const refused = (...dockerfile: readonly string[]): DockerfileCase => ({
  ...built(...dockerfile),
  refused: true,
})
