//! Well-known archives that do not name their Maven coordinates, because Ant or Gradle built them, or that
//! distributions ship under another name. Advisories speak of group and artifact, so without this list nothing
//! would be found for them. The coordinates are those of Maven Central.

/// One row: which artifacts (a `*` at the end stands for any rest), the group, and the artifact where it has
/// another name. The first row that fits counts.
type Row = (&'static str, &'static str, Option<&'static str>);

const ROWS: &[Row] = &[
    // Ant builds.
    ("ant", "org.apache.ant", None),
    ("ant-*", "org.apache.ant", None),
    ("commons-collections3", "commons-collections", Some("commons-collections")),
    ("commons-collections", "commons-collections", None),
    ("commons-beanutils", "commons-beanutils", None),
    ("commons-fileupload", "commons-fileupload", None),
    ("commons-httpclient", "commons-httpclient", None),
    ("dom4j", "dom4j", None),
    ("log4j", "log4j", None),
    ("log4j-1.2", "log4j", Some("log4j")),
    ("log4j-1.2-api", "org.apache.logging.log4j", None),
    ("serializer", "xalan", None),
    ("tomcat-embed-*", "org.apache.tomcat.embed", None),
    ("tomcat-*", "org.apache.tomcat", None),
    ("velocity", "org.apache.velocity", None),
    ("xalan", "xalan", None),
    ("xalan2", "xalan", Some("xalan")),
    ("xercesImpl", "xerces", None),
    ("xml-apis", "xml-apis", None),
    ("zookeeper", "org.apache.zookeeper", None),
    // Gradle builds.
    ("bcpg-*", "org.bouncycastle", None),
    ("bcpkix-*", "org.bouncycastle", None),
    ("bcprov-*", "org.bouncycastle", None),
    ("bctls-*", "org.bouncycastle", None),
    ("bcutil-*", "org.bouncycastle", None),
    ("elasticsearch", "org.elasticsearch", None),
    ("elasticsearch-*", "org.elasticsearch", None),
    ("groovy-all", "org.codehaus.groovy", None),
    ("grpc-*", "io.grpc", None),
    ("hibernate-core", "org.hibernate", None),
    ("kafka-clients", "org.apache.kafka", None),
    ("kafka_*", "org.apache.kafka", None),
    ("kotlin-reflect", "org.jetbrains.kotlin", None),
    ("kotlin-stdlib", "org.jetbrains.kotlin", None),
    ("kotlin-stdlib-*", "org.jetbrains.kotlin", None),
    ("lucene-*", "org.apache.lucene", None),
    ("mariadb-java-client", "org.mariadb.jdbc", None),
    ("mysql-connector-j", "com.mysql", None),
    ("mysql-connector-java", "mysql", None),
    ("okhttp", "com.squareup.okhttp3", None),
    ("okio", "com.squareup.okio", None),
    ("okio-jvm", "com.squareup.okio", None),
    ("postgresql", "org.postgresql", None),
    ("reactor-core", "io.projectreactor", None),
    ("reactor-netty", "io.projectreactor.netty", None),
    ("reactor-netty-*", "io.projectreactor.netty", None),
    ("solr-*", "org.apache.solr", None),
    ("spring-aop", "org.springframework", None),
    ("spring-aspects", "org.springframework", None),
    ("spring-batch-*", "org.springframework.batch", None),
    ("spring-beans", "org.springframework", None),
    ("spring-boot", "org.springframework.boot", None),
    ("spring-boot-*", "org.springframework.boot", None),
    ("spring-context", "org.springframework", None),
    ("spring-context-*", "org.springframework", None),
    ("spring-core", "org.springframework", None),
    ("spring-expression", "org.springframework", None),
    ("spring-graphql", "org.springframework.graphql", None),
    ("spring-hateoas", "org.springframework.hateoas", None),
    ("spring-instrument", "org.springframework", None),
    ("spring-integration-*", "org.springframework.integration", None),
    ("spring-jcl", "org.springframework", None),
    ("spring-jdbc", "org.springframework", None),
    ("spring-jms", "org.springframework", None),
    ("spring-kafka", "org.springframework.kafka", None),
    ("spring-ldap-*", "org.springframework.ldap", None),
    ("spring-messaging", "org.springframework", None),
    ("spring-orm", "org.springframework", None),
    ("spring-oxm", "org.springframework", None),
    ("spring-r2dbc", "org.springframework", None),
    ("spring-security-oauth", "org.springframework.security.oauth", None),
    ("spring-security-oauth2", "org.springframework.security.oauth", None),
    ("spring-security-*", "org.springframework.security", None),
    ("spring-session-*", "org.springframework.session", None),
    ("spring-test", "org.springframework", None),
    ("spring-tx", "org.springframework", None),
    ("spring-web", "org.springframework", None),
    ("spring-webflux", "org.springframework", None),
    ("spring-webmvc", "org.springframework", None),
    ("spring-websocket", "org.springframework", None),
];

/// How the names of Tomcat's bundles begin; its files have others (`catalina.jar`).
const TOMCAT: &str = "org.apache.tomcat-";

/// Group and artifact of an archive with that artifact in its file name, that `Bundle-SymbolicName` and that
/// version.
pub fn find(artifact: &str, symbolic: Option<&str>, version: &str) -> Option<(&'static str, String)> {
    if let Some(rest) = symbolic.and_then(|name| name.strip_prefix(TOMCAT)).filter(|rest| !rest.is_empty()) {
        let group = if rest.starts_with("embed-") { "org.apache.tomcat.embed" } else { "org.apache.tomcat" };
        return Some((group, format!("tomcat-{rest}")));
    }
    if artifact == "groovy" || (artifact.starts_with("groovy-") && artifact != "groovy-all") {
        // The group changed with version 4.
        let major = version.split('.').next().and_then(|number| number.parse::<u32>().ok())?;
        return Some((
            if major >= 4 { "org.apache.groovy" } else { "org.codehaus.groovy" },
            artifact.to_owned(),
        ));
    }
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => artifact.strip_prefix(start).is_some_and(|rest| !rest.is_empty()),
        None => artifact == pattern,
    };
    let (_, group, other) = ROWS.iter().find(|(pattern, ..)| fits(pattern))?;
    Some((group, other.unwrap_or(artifact).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(artifact: &str, symbolic: Option<&str>, version: &str, expected: Option<&str>) {
        let found = find(artifact, symbolic, version).map(|(group, artifact)| format!("{group}:{artifact}"));
        assert_eq!(found.as_deref(), expected, "{artifact}");
    }

    #[test]
    fn knows_who_publishes_what() {
        check("spring-webmvc", None, "5.3.1", Some("org.springframework:spring-webmvc"));
        check("spring-boot-loader", None, "2.7", Some("org.springframework.boot:spring-boot-loader"));
        check("tomcat-embed-core", None, "9", Some("org.apache.tomcat.embed:tomcat-embed-core"));
        check("tomcat-util", Some("org.apache.tomcat-util"), "9", Some("org.apache.tomcat:tomcat-util"));
        check("catalina", Some("org.apache.tomcat-catalina"), "9", Some("org.apache.tomcat:tomcat-catalina"));
        check(
            "x",
            Some("org.apache.tomcat-embed-core"),
            "9",
            Some("org.apache.tomcat.embed:tomcat-embed-core"),
        );
        check("groovy", None, "3.0.9", Some("org.codehaus.groovy:groovy"));
        check("groovy-json", None, "4.0.9", Some("org.apache.groovy:groovy-json"));
        check("groovy-all", None, "2.4.1", Some("org.codehaus.groovy:groovy-all"));
        check("log4j-1.2", None, "1.2.17", Some("log4j:log4j"));
        check("log4j-core", None, "2.17.1", None);
        check("kafka_", None, "3", None);
        check("spring", None, "3", None);
    }

    #[test]
    fn every_row_can_be_found() {
        for (index, (pattern, group, other)) in ROWS.iter().enumerate() {
            let artifact = pattern.replace('*', "x");
            let found = find(&artifact, None, "1.0");
            let expected = other.map_or(artifact.clone(), str::to_owned);
            assert_eq!(found, Some((*group, expected)), "row {index}: {pattern}");
        }
    }
}
