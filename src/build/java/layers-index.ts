/** A layer of Spring Boot's layers.idx: its name, and paths of files or (with a slash at the end) folders. */
export interface IndexedLayer {
  readonly name: string
  readonly paths: readonly string[]
}

/**
 * Reads layers.idx of Spring Boot (a list of `- "name":` with lines `  - "path"` below; "Layering Docker Images" of its reference):
 * layers from the one that changes least to the one that changes most. null: it is not in that form.
 */
export function parseLayersIndex(text: string): readonly IndexedLayer[] | null {
  const layers: { name: string; paths: string[] }[] = []
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^- "([^"]+)":\s*$/.exec(line) ?? []
    const [, path] = /^ {2}- "([^"]+)"\s*$/.exec(line) ?? []
    if (name !== undefined) layers.push({ name, paths: [] })
    else if (path !== undefined && layers.length > 0) layers.at(-1)?.paths.push(path)
    else if (line.trim() !== '') return null
  }
  return layers.length === 0 ? null : layers
}

/** Which of the layers a path belongs to: a file that is named itself, else the longest folder; what nobody names is in the last. */
export function indexedLayerOf(layers: readonly IndexedLayer[], path: string): number {
  let [best, length] = [layers.length - 1, -1]
  for (const [index, { paths }] of layers.entries()) {
    for (const named of paths) {
      const holds = named === path || (named.endsWith('/') && path.startsWith(named))
      if (holds && named.length > length) [best, length] = [index, named.length]
    }
  }
  return best
}
