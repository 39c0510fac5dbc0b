import type { AddSources } from './add/add-sources.ts'
import { parseGitReference } from './add/git-reference.ts'
import type { BuildContext } from './context/build-context.ts'
import { notSupported, type Place, syntaxError } from './dockerfile/place.ts'
import type { Files } from './image/file-entry.ts'

/** What a name stands for that the caller gave (`--build-context name=…`). */
export type NamedContext =
  | { readonly kind: 'image'; readonly name: string }
  | { readonly kind: 'tree'; readonly name: string }

const NAME = /^[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,254}$/

/** Names that go before stages and images of the same name. Throws DOCKERFILE_SYNTAX, DOCKERFILE_NOT_SUPPORTED, BUILD_PATH_ESCAPES. */
export class NamedContexts {
  readonly #asked: ReadonlyMap<string, string>
  readonly #context: BuildContext
  readonly #adds: AddSources

  constructor(asked: Readonly<Record<string, string>>, context: BuildContext, adds: AddSources) {
    this.#asked = new Map(Object.entries(asked).map(([name, what]) => [name.toLowerCase(), what]))
    this.#context = context
    this.#adds = adds
  }

  /** null: nobody gave that name. */
  find(name: string, place: Place): NamedContext | null {
    const what = this.#asked.get(name.toLowerCase())
    if (what === undefined) return null
    if (!NAME.test(name)) throw syntaxError(place, `${name} cannot name a context`, 'Use letters, digits and ./:@+-_.')
    const image = /^docker-image:\/\/(.+)$/.exec(what)?.[1]
    if (image !== undefined) return { kind: 'image', name: image }
    if (/^(?:oci-layout|target):/.test(what)) {
      const hint = 'Bring the image to a registry (skopeo copy), and write docker-image://NAME.'
      throw notSupported(place, `the context ${name} is of a kind that is not read here: ${what.slice(0, 100)}`, hint)
    }
    return { kind: 'tree', name: name.toLowerCase() }
  }

  /** The files of a context that is a folder of the tree or a git reference. */
  files(name: string, place: Place, signal: AbortSignal): Promise<Files> {
    const what = this.#asked.get(name) ?? ''
    const reference = parseGitReference(what, place)
    if (reference !== null) return this.#adds.git(reference, place, signal)
    if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(what)) return this.#context.folder(what)
    const hint = 'Write a folder of the repository, docker-image://NAME, or a git URL that ends in .git.'
    throw notSupported(place, `the context ${name} cannot be read from ${what.replace(/:\/\/.*/s, '')}`, hint)
  }
}
