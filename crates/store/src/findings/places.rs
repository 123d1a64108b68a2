//! Which images have a vulnerability or a package.
//!
//! Pages follow the order in which the tables lie (component, set, project, image), so that a page costs the same
//! whether a package stands in ten images or in sixty thousand. Neither database can prove that a chain of nested
//! loops yields that order and would sort all rows for every page; so the statements are written such that nothing
//! but nested loops, each in the order of an index, can carry them out, and stop at the end of the page.

use model::Severity;
use sqlx::QueryBuilder;

use crate::{
    db::{Pools, Store, read, read_rows},
    error::StoreError,
    findings::severity_of,
    image::{Scope, push_in},
    pack::id_list,
};

/// Components that are looked at in one step.
const CHUNK: i64 = 1000;

/// Where a page ended: the component, the set, the project and the image.
pub type Place = [i64; 4];

/// An image that has a vulnerability, by one of its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedImage {
    /// The image record.
    pub image_id: i64,
    /// Its reference.
    pub reference: String,
    /// Its digest.
    pub digest: Option<String>,
    /// Kind of the package.
    pub kind: String,
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Severity of the finding.
    pub severity: Severity,
    /// Whether a newer version fixes it.
    pub fixable: bool,
}

/// An image that contains a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageImage {
    /// The image record.
    pub image_id: i64,
    /// Its reference.
    pub reference: String,
    /// Its digest.
    pub digest: Option<String>,
    /// Kind of the package.
    pub kind: String,
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
}

/// A component, an image that has it, and where in the order that is.
struct Spot {
    place: Place,
    reference: String,
    digest: Option<String>,
}

type SpotTuple = (i64, i64, i64, i64, String, Option<String>);

fn spot((component, set, project, image, reference, digest): SpotTuple) -> Spot {
    Spot { place: [component, set, project, image], reference, digest }
}

/// Which components are looked for.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// Those that have it now.
    Vulnerability(i64),
    /// Those of that name, in one version or any.
    Package { name: &'a str, version: Option<&'a str> },
}

/// Component, kind, package, version, severity, fixable; by number of the component.
type Component = (i64, String, String, String, i16, bool);

impl Store {
    /// Images that have a vulnerability, those after a place: with where the next page begins after, unless this
    /// is the last one. An image stands there once for each of its components that has it.
    pub async fn affected_images(
        &self,
        scope: &Scope,
        vulnerability: i64,
        after: Option<Place>,
        limit: u32,
    ) -> Result<(Vec<AffectedImage>, Option<Place>), StoreError> {
        let (spots, next) = self.walk(scope, Which::Vulnerability(vulnerability), after, limit).await?;
        let images = spots
            .into_iter()
            .map(|(spot, (_, kind, package, version, severity, fixable))| AffectedImage {
                image_id: spot.place[3],
                reference: spot.reference,
                digest: spot.digest,
                kind,
                package,
                version,
                severity: severity_of(severity),
                fixable,
            })
            .collect();
        Ok((images, next))
    }

    /// Images that contain a package, of one version or any, those after a place: with where the next page begins
    /// after, unless this is the last one. An image stands there once for each of its components of that name.
    pub async fn images_with_package(
        &self,
        scope: &Scope,
        name: &str,
        version: Option<&str>,
        after: Option<Place>,
        limit: u32,
    ) -> Result<(Vec<PackageImage>, Option<Place>), StoreError> {
        let (spots, next) = self.walk(scope, Which::Package { name, version }, after, limit).await?;
        let images = spots
            .into_iter()
            .map(|(spot, (_, kind, package, version, ..))| PackageImage {
                image_id: spot.place[3],
                reference: spot.reference,
                digest: spot.digest,
                kind,
                package,
                version,
            })
            .collect();
        Ok((images, next))
    }

    /// The next components, from a number on.
    async fn components_of(&self, which: Which<'_>, from: i64) -> Result<Vec<Component>, StoreError> {
        match which {
            Which::Vulnerability(vulnerability) => {
                let sql = "select f.component_id, p.kind, p.name, c.version, f.severity, f.fixable
                           from finding f join component c on c.id = f.component_id
                           join package p on p.id = c.package_id
                           where f.closed_at is null and f.vulnerability_id = $1 and f.component_id >= $2
                           order by f.component_id limit $3";
                read_rows!(self, sql, vulnerability, from, CHUNK)
            }
            Which::Package { name, version } => {
                let sql = "select c.id, p.kind, p.name, c.version, cast(0 as smallint), false
                           from package p join component c on c.package_id = p.id
                           where p.name = $1 and (cast($2 as text) is null or c.version = $2) and c.id >= $3
                           order by c.id limit $4";
                read_rows!(self, sql, name, version, from, CHUNK)
            }
        }
    }

    /// A page of the images that have components.
    async fn walk(
        &self,
        scope: &Scope,
        which: Which<'_>,
        after: Option<Place>,
        limit: u32,
    ) -> Result<(Vec<(Spot, Component)>, Option<Place>), StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wanted = limit.saturating_add(1);
        let mut page: Vec<(Spot, Component)> = Vec::new();
        let mut set_after = after.map(|[component, set, ..]| (component, set));
        let mut from = after.map_or(0, |[component, ..]| component);
        let mut rest_of_set = after;
        loop {
            let step = self.components_of(which, from).await?;
            let Some((last, ..)) = step.last() else { break };
            let last = *last;
            let mut spots = Vec::new();
            if let Some(place) = rest_of_set.take()
                && step.first().is_some_and(|(component, ..)| *component == place[0])
            {
                spots = self.rest_of_set(scope, place, wanted).await?;
            }
            if spots.len() < wanted {
                let ids = id_list(step.iter().map(|(component, ..)| *component));
                let more = wanted - spots.len();
                spots.extend(self.spots(scope, &ids, set_after.take(), more).await?);
            }
            for spot in spots {
                let at = step.binary_search_by_key(&spot.place[0], |(component, ..)| *component);
                if let Some(component) = at.ok().and_then(|at| step.get(at)) {
                    page.push((spot, component.clone()));
                }
            }
            if page.len() >= wanted || i64::try_from(step.len()).unwrap_or(CHUNK) < CHUNK {
                break;
            }
            from = last.saturating_add(1);
            set_after = None;
        }
        debug_assert!(page.is_sorted_by_key(|(spot, _)| spot.place));
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|(spot, _)| spot.place);
        Ok((page, next))
    }

    /// The other images of a set, after one.
    async fn rest_of_set(
        &self,
        scope: &Scope,
        [component, set, project, image]: Place,
        limit: usize,
    ) -> Result<Vec<Spot>, StoreError> {
        let tuples: Vec<SpotTuple> = read!(self, c => {
            let mut query = QueryBuilder::new("select ");
            query.push_bind(component);
            query.push(", m.set_id, m.project_id, m.image_id, i.reference, i.digest
                        from image_set m join image i on i.id = m.image_id where m.set_id = ").push_bind(set);
            query.push(" and (m.project_id, m.image_id) > (").push_bind(project).push(", ").push_bind(image).push(")");
            if let Some(projects) = scope.projects() {
                push_in(&mut query, " and m.project_id in (", projects);
            }
            query.push(" order by m.project_id, m.image_id limit ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(tuples.into_iter().map(spot).collect())
    }

    /// Images of components, a JSON list of numbers in their order; of one of them, only those by later sets.
    async fn spots(
        &self,
        scope: &Scope,
        components: &str,
        after: Option<(i64, i64)>,
        limit: usize,
    ) -> Result<Vec<Spot>, StoreError> {
        let (at, set) = after.unwrap_or((0, 0));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let lite = matches!(&*self.pools, Pools::Lite { .. });
        let tuples: Vec<SpotTuple> = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select s.component_id, s.set_id, m.project_id, m.image_id, i.reference, i.digest from ");
            if lite {
                query.push("json_each(").push_bind(components).push(") j
                    cross join set_component s on s.component_id = j.value cross join image_set m on m.set_id = s.set_id
                    cross join image i on i.id = m.image_id where (j.value <> ").push_bind(at);
                query.push(" or s.set_id > ").push_bind(set).push(")");
            } else {
                query.push("json_array_elements_text(").push_bind(components).push("::json) j
                    cross join lateral (select n.component_id, n.set_id from set_component n
                        where n.component_id = j.value::bigint and (n.component_id <> ").push_bind(at);
                query.push(" or n.set_id > ").push_bind(set).push(") order by n.set_id) s
                    cross join lateral (select k.project_id, k.image_id from image_set k where k.set_id = s.set_id");
                if let Some(projects) = scope.projects() {
                    push_in(&mut query, " and k.project_id in (", projects);
                }
                query.push(" order by k.project_id, k.image_id) m
                    cross join lateral (select l.reference, l.digest from image l where l.id = m.image_id limit 1) i
                    where true");
            }
            if lite && let Some(projects) = scope.projects() {
                push_in(&mut query, " and m.project_id in (", projects);
            }
            query.push(" limit ").push_bind(limit);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(tuples.into_iter().map(spot).collect())
    }
}
