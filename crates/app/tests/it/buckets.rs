//! Archives in a bucket: read with the service's own key, and so only from buckets that are listed.

use app::{
    config::BucketConfig,
    submit::{Requester, ScanOrder, SubmitError, Target},
};
use model::{FailureReason, JobClass, ScanStatus};
use oci::bucket::{BucketCredentials, BucketOptions};
use store::{ImageFilter, Scope};
use testkit::{
    bucket::{BUCKET, Bucket},
    layer::Compression,
    write,
};

use crate::world::{World, debian, kinds, record};

fn order(reference: &str) -> ScanOrder {
    ScanOrder { target: Target::parse(reference).unwrap(), platform: None, secret: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_listed_buckets_are_read() {
    let Some(server) = Bucket::start_signed().unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    write::oci_archive(&file, &[("1", &debian("curl", "7.88.1-10"))], Compression::None).unwrap();
    server.put("images/app.tar", &std::fs::read(&file).unwrap()).unwrap();
    let spec = format!("s3://{BUCKET}/images/app.tar");
    let owner = server.owner();
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        let accepting = |accepted: &[&str]| {
            let mut config = world.config();
            config.buckets = BucketConfig {
                options: BucketOptions {
                    endpoint: Some(server.endpoint().parse().unwrap()),
                    credentials: Some(BucketCredentials::new(&owner.id, &owner.secret, None)),
                    ..BucketOptions::default()
                },
                accepted: accepted.iter().map(|name| (*name).to_owned()).collect(),
            };
            config
        };
        let requester = |project| Requester {
            project,
            name: "alice",
            request_id: "r1",
            class: JobClass::Interactive,
            source: "bucket",
        };
        for accepted in [&[][..], &["other"]] {
            let running = world.idle_with(accepting(accepted)).await;
            let orders = [order(&world.reference("app:1")), order(&spec)];
            let refused = running.service.submit(&orders, requester(running.project)).await.unwrap_err();
            assert_eq!(refused.code(), "bucket-not-accepted");
            assert!(matches!(&refused, SubmitError::Bucket(bucket) if bucket == BUCKET), "{refused}");
            // All or none.
            let filter = ImageFilter::default();
            assert_eq!(running.service.store.count_images(&Scope::All, &filter).await.unwrap(), 0);
            running.stop().await;
        }
        let mut running = world.idle_with(accepting(&[BUCKET])).await;
        running.work();
        let scan = running.completed(running.submit(&spec).await).await;
        assert_eq!(running.findings(scan.inventory_id.unwrap()).await, ["CVE-2026-0001 curl critical"]);
        running.stop().await;

        // A request from before the bucket was taken off the list.
        let running = world.idle_with(accepting(&[BUCKET])).await;
        let id = running.submit(&spec).await;
        running.stop().await;
        let mut running = world.idle_with(accepting(&["other"])).await;
        running.work();
        let scan = running.ended(id).await;
        assert_eq!(
            (scan.status, scan.reason),
            (ScanStatus::Failed, Some(FailureReason::RegistryUnavailable)),
            "{scan:?}"
        );
        running.stop().await;
    }
}
