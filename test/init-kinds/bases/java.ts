import { existsSync, readdirSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { call } from '../../peers/call.ts'
import { debianPackages } from '../../peers/debian-packages.ts'
import { type Base, path } from '../base.ts'
import { copyFolder, copyLibraries } from '../base-root.ts'

const JDK = '/usr/lib/jvm/java-17-openjdk-amd64'
const TOMCAT = '10.1.34'

const missingMaven = async () =>
  existsSync(JDK) && existsSync('/usr/share/maven') ? null : 'JDK 17 and Maven of Debian'

async function java(root: string): Promise<void> {
  await copyFolder(JDK, join(root, 'opt/java/openjdk'), ['src.zip', './jmods', './docs', './man', 'lib/ct.sym.bak'])
  const libraries = readdirSync(join(JDK, 'lib')).filter(
    (name) => name.endsWith('.so') && !/awt|fontmanager|jsound|lcms|jawt/.test(name),
  )
  await copyLibraries(root, [
    join(JDK, 'bin/java'),
    join(JDK, 'lib/server/libjvm.so'),
    ...libraries.map((name) => join(JDK, 'lib', name)),
  ])
}

const JAVA = [path('/opt/java/openjdk/bin'), 'ENV JAVA_HOME=/opt/java/openjdk']

export const mavenBase: Base = {
  name: 'maven:3-eclipse-temurin-17',
  missing: missingMaven,
  async fill(root) {
    await java(root)
    await copyFolder('/usr/share/maven', join(root, 'usr/share/maven'), ['./man'])
    await symlink('/usr/share/maven/bin/mvn', join(root, 'usr/bin/mvn'))
    return [...JAVA, 'ENV MAVEN_HOME=/usr/share/maven']
  },
}

export const jreBase: Base = {
  name: 'eclipse-temurin:17-jre',
  missing: async () => (existsSync(JDK) ? null : 'JDK 17 of Debian'),
  async fill(root) {
    await java(root)
    return JAVA
  },
}

/** The JDK, with Debian's Gradle: 4.4.1, of 2017. A newer one is nowhere among the packages that can be had. */
export const gradleBase: Base = {
  name: 'gradle:8-jdk17',
  missing: async () => (existsSync(JDK) && existsSync('/usr/bin/apt-get') ? null : 'JDK 17 and apt-get of Debian'),
  async fill(root) {
    await java(root)
    const plan = await call('apt-get', ['-s', '--no-install-recommends', 'install', 'gradle'])
    const packages = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name)
    // What this machine has already comes from it.
    const folders = packages.length === 0 ? ['/'] : ['/', await debianPackages('bookworm', packages)]
    for (const folder of folders) {
      const parts = PARTS.map((part) => join(folder, part)).filter((part) => existsSync(part))
      await call('cp', ['-a', '--parents', ...parts.map((part) => relative(folder, part)), root], { cwd: folder })
    }
    await symlink('/usr/share/gradle/bin/gradle', join(root, 'usr/bin/gradle'))
    return JAVA
  },
}

/** Of the packages: libraries name one another by links that stay inside. */
const PARTS = ['usr/share/gradle', 'usr/share/java', 'usr/share/groovy', 'usr/lib/jni']

/** The real Tomcat, as Maven Central has it. */
export const tomcatBase: Base = {
  name: 'tomcat:10-jre17',
  missing: missingMaven,
  async fill(root) {
    await java(root)
    await mkdir(join(root, 'usr/local'), { recursive: true })
    await call(
      'mvn',
      ['-B', '-q', 'dependency:get', `-Dartifact=org.apache.tomcat:tomcat:${TOMCAT}:tar.gz`, '-Dtransitive=false'],
      { timeoutMs: 240_000 },
    )
    const archive = join(homedir(), `.m2/repository/org/apache/tomcat/tomcat/${TOMCAT}/tomcat-${TOMCAT}.tar.gz`)
    await call('tar', ['-xzf', archive, '-C', join(root, 'usr/local')])
    await call('mv', [join(root, `usr/local/apache-tomcat-${TOMCAT}`), join(root, 'usr/local/tomcat')])
    // The official image keeps the applications that Tomcat brings elsewhere, and its files readable for all.
    await call('rm', ['-rf', join(root, 'usr/local/tomcat/webapps')])
    await mkdir(join(root, 'usr/local/tomcat/webapps'))
    await call('chmod', ['-R', '+rX', join(root, 'usr/local/tomcat')])
    return [
      path('/usr/local/tomcat/bin:/opt/java/openjdk/bin'),
      'ENV JAVA_HOME=/opt/java/openjdk CATALINA_HOME=/usr/local/tomcat',
      'WORKDIR /usr/local/tomcat',
      'CMD ["catalina.sh", "run"]',
    ]
  },
}
