import { DeployError } from '../model/failure.ts'
import { emptyMap, type MapNode } from './tree/placed-tree.ts'

/**
 * The file that a folder without naru.yaml stands for: an app of the folder's name, everything else a default.
 * Whether there is a Dockerfile is the caller's to know. Throws NAME_INVALID when no name can be made.
 */
export function defaultAppFile(folderName: string): MapNode {
  const place = { file: 'naru.yaml', line: 1, column: 1 }
  const name = appNameOf(folderName)
  const node = { kind: 'scalar', place, environment: null, value: name, text: name, variables: [] } as const
  return { ...emptyMap(place), entries: new Map([['app', { place, node }]]) }
}

/** `My Shop_2` → `my-shop-2`. Throws NAME_INVALID when nothing is left. */
export function appNameOf(folderName: string): string {
  const dashed = folderName.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const name = dashed.replace(/^-/, '').slice(0, 40).replace(/-$/, '')
  if (name !== '') return name
  throw new DeployError(
    'NAME_INVALID',
    `no app name can be made of the folder ${JSON.stringify(folderName.slice(0, 80))}`,
    {
      hint: 'Write a naru.yaml with a line such as `app: shop` (naru init makes one).',
    },
  )
}
