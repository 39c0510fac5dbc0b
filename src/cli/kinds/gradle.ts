import { healthPath } from './health-path.ts'
import {
  JAVA_IGNORED,
  javaDockerfile,
  javaReadiness,
  javaSplit,
  type JavaProgram,
  javaVersion,
  springBootLauncher,
  tomcatVersion,
} from './java.ts'
import { cacheMount, type ProjectFiles, type Proposal, type Unready } from './kind.ts'

const HOME = '/cache/gradle'
const SCRIPTS = ['build.gradle', 'build.gradle.kts']

/** A Gradle project with one build script: Spring Boot, the plugin `application`, or the plugin `war`. */
export function findGradle(files: ProjectFiles): Proposal | Unready | null {
  const script = SCRIPTS.find((name) => files.texts[name] !== undefined)
  if (script === undefined) return null
  const text = (files.texts[script] ?? '').replace(/\/\*[\s\S]*?\*\//g, '')
  const program = programOf(text)
  if (typeof program === 'string') return { kind: 'gradle', because: script, missing: program }
  const health = healthPath(files)
  const version = javaVersion(
    /(?:JavaLanguageVersion\.of\(|JavaVersion\.VERSION_|(?:source|target)Compatibility\s*=\s*["']?)(\d+)/.exec(
      text,
    )?.[1],
  )
  const hasWrapper = files.names.includes('gradlew')
  // By sh: from Windows it is often committed without the right to be executed.
  const gradle = `${hasWrapper ? 'sh ./gradlew' : 'gradle'} --no-daemon -q`
  const build = [
    `FROM ${hasWrapper ? `eclipse-temurin:${version}-jdk` : `gradle:8-jdk${version}`} AS build`,
    `ENV GRADLE_USER_HOME=${HOME}`,
    'WORKDIR /src',
    // Version catalogues, properties …: a build may read anything. What it downloads is in the cache mount.
    'COPY . .',
    `RUN ${cacheMount(HOME)} ${gradle} ${TASKS[program.form]} \\`,
    ` && ${OUTPUTS[program.form]}`,
  ]
  return {
    kind: 'gradle',
    because: `${script}${hasWrapper ? ', gradlew' : ''}`,
    what: program.form === 'war' ? `Tomcat ${program.tomcat}, Java ${version}` : `Java ${version}, ${program.form}`,
    dockerfile: javaDockerfile(build, program, version, health),
    readiness: javaReadiness(program, health),
    ...javaSplit(program),
    ignore: JAVA_IGNORED,
    notes: [],
  }
}

type GradleProgram = Extract<JavaProgram, { form: 'war' | 'spring-boot' | 'libraries' }>

const TASKS = { war: 'war', 'spring-boot': 'bootJar', libraries: 'installDist' }
const OUTPUTS = {
  war: 'mkdir -p /out && cd /out && jar -xf /src/build/libs/*.war',
  'spring-boot': `mkdir -p /out && jar="$(find "$PWD/build/libs" -name '*.jar' ! -name '*-plain.jar')" && cd /out && jar -xf "$jar"`,
  libraries: 'mkdir -p /out && cp -r build/install/*/lib /out/lib',
}

function programOf(script: string): GradleProgram | string {
  const spring = /org\.springframework\.boot['"]\)?\s*version\s*["']([\d.]+)/.exec(script)
  if (spring !== null) return { form: 'spring-boot', launcher: springBootLauncher(spring[1]) }
  if (/(?:id\s*\(?\s*["']war["']|^\s*war\s*$|plugin:\s*["']war["'])/m.test(script))
    return { form: 'war', tomcat: tomcatVersion(script) }
  const mainClass = /mainClass(?:Name)?(?:\.set\(|\s*=)\s*["']([\w.$]+)["']/.exec(script)?.[1]
  if (mainClass !== undefined) return { form: 'libraries', mainClass }
  return 'the program is not known: use the plugin application with mainClass, org.springframework.boot, or war'
}
