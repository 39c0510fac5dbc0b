import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DeployError } from '../../model/failure.ts'
import { type Elf, readElf } from './elf.ts'

/** A program's loader and the libraries that it will look for. */
export interface SharedLibraries {
  /** null: the program is static and needs nothing. */
  readonly interpreter: string | null
  /** Where the loader finds libraries without a cache: where the C library is. */
  readonly folder: string
  /** Path on this machine by the name that is looked for. */
  readonly libraries: ReadonlyMap<string, string>
}

/** Debian's and Red Hat's folders, as the loaders have them built in. */
const FOLDERS: Readonly<Record<number, readonly string[]>> = {
  62: ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu'],
  183: ['/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu'],
}
const COMMON = ['/lib64', '/usr/lib64', '/lib', '/usr/lib']
/** The C library opens these itself, to look up users and hosts; newer ones (2.34) have them inside. */
const OPENED_LATER = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']

/**
 * What a program needs to run, found as the dynamic loader finds it (ld.so(8)): its run path, the configured folders, the
 * built-in ones. Nothing is executed (ldd would run the program's loader). Throws BUILD_PROGRAM_NOT_FOUND.
 */
export function sharedLibraries(program: string, elf: Elf): SharedLibraries {
  const configured = [...configuredFolders('/etc/ld.so.conf'), ...(FOLDERS[elf.machine] ?? []), ...COMMON]
  const libraries = new Map<string, string>()
  const find = (name: string, run: readonly string[]): string | null =>
    name.includes('/') ? name : (candidates(name, [...run, ...configured]).find((path) => fits(path, elf)) ?? null)
  const visit = (path: string, { needed, runPath }: Elf, inherited: readonly string[]) => {
    const run = [...runPath.map((folder) => folder.replace(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(path))), ...inherited]
    for (const name of needed) {
      if (libraries.has(name)) continue
      const found = find(name, run)
      if (found === null) throw libraryMissing(program, name, path)
      libraries.set(name, found)
      const library = readElf(found)
      if (library !== null) visit(found, library, run)
    }
  }
  visit(program, elf, [])
  if (libraries.has('libc.so.6')) {
    for (const name of OPENED_LATER) {
      const found = find(name, [])
      if (found !== null && !libraries.has(name)) libraries.set(name, found)
    }
  }
  const libc = [...libraries].find(([name]) => name.startsWith('libc.'))?.[1]
  return { interpreter: elf.interpreter, folder: dirname(libc ?? elf.interpreter ?? '/lib/x'), libraries }
}

const candidates = (name: string, folders: readonly string[]): readonly string[] =>
  folders.map((folder) => join(folder, name))

/** Whether a file is a library for the same machine. */
function fits(path: string, { machine }: Elf): boolean {
  return existsSync(path) && statSync(path).isFile() && readElf(path)?.machine === machine
}

/** The folders of ld.so.conf, its includes in their place. */
function configuredFolders(path: string): readonly string[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .flatMap((line) => {
      const [, pattern] = /^include\s+(\S+)$/.exec(line) ?? []
      if (pattern !== undefined)
        return globSync(pattern, { cwd: dirname(path) })
          .map((name) => join(dirname(path), name.replace(`${dirname(path)}/`, '')))
          .sort()
          .flatMap(configuredFolders)
      return line.startsWith('/') ? [line] : []
    })
}

function libraryMissing(program: string, name: string, neededBy: string): DeployError {
  return new DeployError(
    'BUILD_PROGRAM_NOT_FOUND',
    `${program} needs the library ${name} (for ${neededBy}), which is not on this machine`,
    {
      hint: 'Does the program start here? Install what it needs, then make the base image again.',
      detail: { program, library: name },
    },
  )
}
