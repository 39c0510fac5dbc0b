/** The bytes of a file, wherever they are: the context, a layer of a base image, a here-document, this machine. */
export interface Content {
  /** Of some contents it is known only when their bytes were brought (SpooledContents). */
  readonly size: number
  /** Names the bytes for keys of caches, and is known without reading them: equal names, equal bytes. Default: the id. */
  readonly name?: string
  /** Names the bytes: equal ids are equal bytes. */
  id(): Promise<string>
  /** The bytes again, in parts of at most 1 MiB. Throws BUILD_SOURCE_INVALID when they are not `size` bytes with that id any more. */
  chunks(): Iterable<Uint8Array>
}

interface Owned {
  readonly uid: number
  readonly gid: number
  /** Permission bits, with set-id and sticky. */
  readonly mode: number
  /** Seconds since the epoch; 'content': made from the content's id (see file-time.ts). */
  readonly mtime: number | 'content'
  /** Extended attributes: name → value as latin1 text, any bytes. */
  readonly xattrs?: Readonly<Record<string, string>>
}

/** `linkTo`: in a layer only, a hard link to that path of the same layer, which stands before it and has the same content. */
export type FileEntry =
  | (Owned & { readonly type: 'file'; readonly content: Content; readonly linkTo?: string })
  | (Owned & { readonly type: 'directory' })
  | (Owned & { readonly type: 'symlink'; readonly target: string })
  /** Devices, pipes and sockets: they may be in a base image, and are never copied. */
  | (Owned & { readonly type: 'special' })

/** A tree of files that can be looked at: the build context, or the file system of a stage. Paths have no slash at either end; '' is the root. */
export interface Files {
  /** What is at a path, links not followed; null: nothing. */
  at(path: string): FileEntry | null
  /** The names in a folder, sorted. */
  names(path: string): readonly string[]
  /** What is in a folder, sorted by name. */
  entries(path: string): readonly NamedEntry[]
  /** Whether several names may be one file: they have the same entry then. */
  readonly mayLink: boolean
}

/** What has which name in a folder. */
export interface NamedEntry {
  readonly name: string
  readonly entry: FileEntry
}

/** What one layer puts where. */
export type Added = Map<string, FileEntry>
