/** A relative path below a folder of the repository, `.` and `..` worked out; '' is the root. Never begins with a slash. */
export function joinPath(folder: string, path: string): string {
  const parts: string[] = []
  for (const part of `${folder}/${path}`.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** Whether such a path stays within the repository at every step. */
export function isWithin(folder: string, path: string): boolean {
  let depth = 0
  for (const part of `${folder}/${path}`.split('/')) {
    if (part === '..') depth -= 1
    else if (part !== '' && part !== '.') depth += 1
    if (depth < 0) return false
  }
  return true
}
