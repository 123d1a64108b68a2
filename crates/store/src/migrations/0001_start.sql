-- Who may do what.

create table project (
    id {id},
    name text not null unique,
    created_at bigint not null
);

create table account (
    id {id},
    name text not null unique,
    email text,
    -- argon2id; null for those who only log in through an OIDC provider
    password text,
    -- 'issuer subject' of the OIDC provider
    subject text unique,
    role smallint not null,
    disabled boolean not null default false,
    -- the password was given by somebody else and must be changed at the next login
    must_change boolean not null default false,
    failures integer not null default 0,
    locked_until bigint,
    created_at bigint not null,
    seen_at bigint
);

create table membership (
    project_id bigint not null references project (id) on delete cascade,
    account_id bigint not null references account (id) on delete cascade,
    role smallint not null,
    primary key (project_id, account_id)
) {clustered};
create index membership_account on membership (account_id);

create table session (
    -- SHA-256 of what the cookie holds
    token {bytes} primary key,
    account_id bigint not null references account (id) on delete cascade,
    created_at bigint not null,
    seen_at bigint not null,
    expires_at bigint not null,
    address text
);
create index session_account on session (account_id);
create index session_seen on session (seen_at);

create table api_token (
    id {id},
    account_id bigint not null references account (id) on delete cascade,
    name text not null,
    -- SHA-256 of the token, which is shown once
    token {bytes} not null unique,
    -- the most that it may do, whatever its owner may
    role smallint not null,
    -- the only project that it may see; null for all of its owner's
    project_id bigint references project (id) on delete cascade,
    created_at bigint not null,
    expires_at bigint,
    seen_at bigint,
    unique (account_id, name)
);

-- Images and what they contain.

create table inventory (
    id {id},
    -- digest of the platform's manifest, or of the archive where there is none
    digest text not null,
    -- versions of the analyzers, and the parameters, that it was made with
    analyzers text not null,
    created_at bigint not null,
    -- stored bytes of the layers
    size bigint not null,
    packages integer not null,
    distro text,
    -- facts of the image and the inventory: JSON, compressed with zstd
    body {bytes} not null,
    -- false until its components are stored, which happens with its first match
    matched boolean not null default false,
    unique (digest, analyzers)
);

create table image (
    id {id},
    project_id bigint not null references project (id),
    reference text not null,
    registry text not null,
    repository text not null,
    tag text,
    -- of the platform's manifest, as last seen
    digest text,
    platform text not null default '',
    owner text,
    -- JSON object of strings
    labels text not null default '{{}}',
    -- submit, upload, watch, bucket, cluster
    source text not null,
    created_at bigint not null,
    -- last change of anything that a list shows
    changed_at bigint not null,
    -- the newest scan, whatever became of it
    scan_id {uuid},
    status smallint not null,
    -- the newest report; it stays when a later scan fails
    report_id bigint,
    inventory_id bigint references inventory (id),
    -- 0 when it never was
    scanned_at bigint not null default 0,
    -- counts of the open findings of the newest report's inventory, kept up to date by later matches
    critical integer not null default 0,
    high integer not null default 0,
    medium integer not null default 0,
    low integer not null default 0,
    negligible integer not null default 0,
    unknown integer not null default 0,
    fixable integer not null default 0,
    risk bigint not null default 0,
    partial boolean not null default false,
    unique (project_id, reference, platform)
);
create index image_name on image (reference, id);
create index image_project_name on image (project_id, reference, id);
create index image_risk on image (risk, id);
create index image_project_risk on image (project_id, risk, id);
create index image_scanned on image (scanned_at, id);
create index image_status on image (status, id);
create index image_digest on image (digest);
create index image_repository on image (registry, repository);
{text_search}

create table environment (
    id {id},
    name text not null unique,
    -- dev before test before prod
    position integer not null default 0
);

create table image_environment (
    environment_id bigint not null references environment (id) on delete cascade,
    image_id bigint not null references image (id) on delete cascade,
    primary key (environment_id, image_id)
) {clustered};
create index image_environment_image on image_environment (image_id);

-- Components stand once, whatever the number of images; a set is what one layer brought of them.

create table package (
    id {id},
    kind text not null,
    name text not null,
    unique (name, kind)
);

create table component (
    id {id},
    key {bytes} not null unique,
    package_id bigint not null references package (id),
    version text not null,
    shard text,
    -- model::Component without its key: JSON
    body text not null
);
create index component_package on component (package_id, version);

-- Under which names the advisories of a shard are asked for a component.
create table component_name (
    shard text not null,
    name text not null,
    component_id bigint not null references component (id) on delete cascade,
    primary key (shard, name, component_id)
) {clustered};

create table component_set (
    id {id},
    key {bytes} not null unique,
    -- images whose newest inventory has it
    images integer not null default 0,
    critical integer not null default 0,
    high integer not null default 0,
    medium integer not null default 0,
    low integer not null default 0,
    negligible integer not null default 0,
    unknown integer not null default 0,
    fixable integer not null default 0,
    -- the counts, and those of its images, are older than the findings; grows with every change of these, so that
    -- who counted them knows whether they changed meanwhile
    dirty integer not null default 0
);
create index component_set_dirty on component_set (id) where dirty > 0;

create table set_component (
    set_id bigint not null references component_set (id) on delete cascade,
    component_id bigint not null references component (id),
    primary key (set_id, component_id)
) {clustered};
create unique index set_component_component on set_component (component_id, set_id);

create table inventory_set (
    inventory_id bigint not null references inventory (id) on delete cascade,
    set_id bigint not null references component_set (id),
    primary key (inventory_id, set_id)
) {clustered};
create index inventory_set_set on inventory_set (set_id);

-- The sets of each image's newest inventory. The project stands in it so that those who may see few projects
-- need not wade through the images of all others.
create table image_set (
    set_id bigint not null references component_set (id),
    project_id bigint not null,
    image_id bigint not null references image (id) on delete cascade,
    primary key (set_id, project_id, image_id)
) {clustered};
create index image_set_image on image_set (image_id);

-- What is wrong with components.

create table vulnerability (
    id {id},
    -- the CVE, or the advisory's id where there is none
    name text not null unique,
    title text not null,
    severity smallint not null
);

-- A row never changes but for its end: what an advisory says anew is a new row. So a report is a list of ids.
create table finding (
    id {id},
    component_id bigint not null references component (id),
    vulnerability_id bigint not null references vulnerability (id),
    severity smallint not null,
    fixable boolean not null,
    -- model::Finding without its package: JSON
    body text not null,
    opened_at bigint not null,
    opened_for smallint not null,
    closed_at bigint,
    closed_for smallint
);
create unique index finding_open on finding (component_id, vulnerability_id) where closed_at is null;
create unique index finding_vulnerability on finding (vulnerability_id, component_id) where closed_at is null;
-- counting reads this alone
create index finding_component on finding (component_id, closed_at, severity, fixable);
create index finding_opened on finding (opened_at);
create index finding_closed on finding (closed_at) where closed_at is not null;

-- Components whose findings changed, and whose sets are not marked as dirty yet.
create table recount (
    component_id bigint primary key references component (id)
);

-- At which version of each shard the findings stand, and to which they are being moved.
create table shard_state (
    shard text primary key,
    digest text not null,
    built text not null,
    target text,
    target_built text,
    changed_at bigint not null
);

-- Scans and their work.

create table scan (
    id {uuid} primary key,
    image_id bigint not null references image (id) on delete cascade,
    project_id bigint not null,
    -- what is scanned: the image's reference, or the place of an upload
    source text not null,
    class smallint not null,
    status smallint not null,
    reason smallint,
    -- what a failed scan or an aborted attempt said of its end
    detail text,
    -- why the database is not populated: JSON list of shards
    missing text,
    attempt integer not null default 0,
    max_attempts integer not null,
    next_at bigint,
    job_id bigint,
    digest text,
    inventory_id bigint references inventory (id),
    report_id bigint,
    partial boolean not null default false,
    -- what an equal request joins while the scan is not over; null afterwards
    active_key {bytes} unique,
    requested_by text not null,
    request_id text not null,
    requested_at bigint not null,
    started_at bigint,
    finished_at bigint,
    -- grows with every change
    version integer not null default 0
);
create index scan_image on scan (image_id, requested_at);
create index scan_job on scan (job_id) where job_id is not null;
create index scan_status on scan (status, requested_at);
create index scan_requested on scan (requested_at);

-- Every change of a scan's status, for those who follow; trimmed.
create table scan_change (
    seq {id},
    scan_id {uuid} not null,
    project_id bigint not null,
    image_id bigint not null,
    status smallint not null,
    version integer not null,
    at bigint not null
);
create index scan_change_at on scan_change (at);

create table job (
    id {id},
    kind smallint not null,
    -- equal work is done once
    key {bytes} not null unique,
    class smallint not null,
    repository text not null,
    -- order within a class: repositories take turns
    turn bigint not null,
    -- 0 ready, 1 running, 2 waits for advisories
    state smallint not null,
    run_at bigint not null,
    queued_at bigint not null,
    attempts integer not null default 0,
    max_attempts integer not null,
    -- how often a worker was lost with it: not the image's fault, up to a point
    losses integer not null default 0,
    -- grows with every claim; who holds an older one may not write
    fence bigint not null default 0,
    worker text,
    lease_until bigint,
    -- stored bytes of the image, when known
    weight bigint not null default 0,
    phase smallint not null default 0,
    layers_done integer not null default 0,
    layers integer not null default 0,
    bytes_done bigint not null default 0,
    bytes bigint not null default 0,
    -- what to do: JSON
    payload text not null,
    -- credentials that came with the request, sealed; they go with the row
    sealed {bytes},
    cancelled boolean not null default false
);
create index job_ready on job (class, turn, id) where state = 0;
create index job_lease on job (lease_until) where state = 1;
create index job_repository on job (repository, class, turn);

create table job_turn (
    class smallint not null,
    repository text not null,
    turn bigint not null,
    primary key (class, repository)
) {clustered};

create table report (
    id {id},
    scan_id {uuid} not null unique,
    image_id bigint not null references image (id) on delete cascade,
    inventory_id bigint not null references inventory (id),
    created_at bigint not null,
    -- ids of the findings: ascending, differences as LEB128
    findings {bytes} not null,
    critical integer not null,
    high integer not null,
    medium integer not null,
    low integer not null,
    negligible integer not null,
    unknown integer not null,
    fixable integer not null,
    partial boolean not null,
    -- coverage and problems of the match: JSON
    body text not null
);
create index report_image on report (image_id, id);

create table idempotency (
    -- SHA-256 of the caller and the key that they chose
    key {bytes} primary key,
    -- SHA-256 of the request
    request {bytes} not null,
    -- ids of the scans: JSON
    scans text not null,
    expires_at bigint not null
);

-- What happened.

create table event (
    id {id},
    at bigint not null,
    actor text not null,
    address text,
    action text not null,
    object text not null,
    project_id bigint,
    request_id text,
    -- JSON
    detail text not null
);
create index event_at on event (at);
create index event_actor on event (actor, id);
create index event_action on event (action, id);
create index event_object on event (object, id);
create index event_project on event (project_id, id);

create table user_error (
    id {id},
    at bigint not null,
    actor text not null,
    image text,
    code text not null,
    message text not null,
    request_id text not null,
    scan_id {uuid}
);
create index user_error_at on user_error (at);
create index user_error_actor on user_error (actor, id);

create table daily_count (
    -- days since 1970-01-01
    day integer not null,
    project_id bigint not null,
    images integer not null,
    scanned integer not null,
    failed integer not null,
    critical bigint not null,
    high bigint not null,
    medium bigint not null,
    low bigint not null,
    negligible bigint not null,
    unknown bigint not null,
    fixable bigint not null,
    primary key (day, project_id)
) {clustered};

-- Places and people that the service talks to.

create table registry (
    id {id},
    -- null: for all projects
    project_id bigint references project (id) on delete cascade,
    name text not null,
    -- as it stands in references: HOST or HOST:PORT
    host text not null,
    username text,
    -- password or token, sealed
    secret {bytes},
    -- certificate authorities beside the usual ones: PEM
    ca text,
    plain_http boolean not null default false,
    created_at bigint not null,
    -- grows with every change
    version integer not null default 0
);
create unique index registry_name on registry (coalesce(project_id, 0), name);
create unique index registry_host on registry (host, coalesce(project_id, 0));

create table watch (
    id {id},
    project_id bigint not null references project (id) on delete cascade,
    name text not null,
    -- HOST or HOST:PORT
    registry text not null,
    -- repositories by pattern, with * and ?
    repository text not null,
    -- tags by pattern, with * and ?: JSON lists
    include text not null,
    exclude text not null,
    -- those of the images that it finds: JSON list
    environments text not null,
    -- microseconds between two looks
    every bigint not null,
    enabled boolean not null default true,
    -- SHA-256 of what senders of notifications present
    secret {bytes} not null,
    owner text not null,
    created_at bigint not null,
    -- when it looks next
    next_at bigint not null,
    -- where the last look stopped: REPOSITORY:TAG; null when it came to its end
    position text,
    -- of the last look
    looked_at bigint,
    found integer not null default 0,
    submitted integer not null default 0,
    cut boolean not null default false,
    -- looks in a row that failed, and why the last one did
    failures integer not null default 0,
    error_code text,
    error text,
    unique (project_id, name)
);
create index watch_next on watch (next_at) where enabled;

-- What tags led to when they were last looked at.
create table watch_tag (
    watch_id bigint not null references watch (id) on delete cascade,
    repository text not null,
    tag text not null,
    digest text not null,
    primary key (watch_id, repository, tag)
) {clustered};

-- Who looks into a registry: one at a time.
create table watch_turn (
    registry text primary key,
    -- grows with every claim; who holds an older one may not write
    fence bigint not null,
    until bigint not null
);

-- Who is told of what happens, and what they were told. A message is a row from the transaction of what it tells of.

create table webhook (
    id {id},
    -- null: of all projects
    project_id bigint references project (id) on delete cascade,
    name text not null,
    url text not null,
    -- sealed
    secret {bytes} not null,
    -- kinds of messages that it wants: bit n is the kind of number n
    kinds integer not null,
    -- new findings that are less severe are left out
    min_severity smallint not null default 0,
    enabled boolean not null default true,
    owner text not null,
    created_at bigint not null,
    changed_at bigint not null
);
create unique index webhook_name on webhook (coalesce(project_id, 0), name);
create index webhook_enabled on webhook (id) where enabled;

create table delivery (
    id {id},
    webhook_id bigint not null references webhook (id) on delete cascade,
    -- for the receiver: the same at every attempt
    message {uuid} not null unique,
    kind smallint not null,
    -- what the message says: JSON
    facts text not null,
    created_at bigint not null,
    -- when it is tried next, or while it is being tried, when that claim ends; null when nothing more will be tried
    next_at bigint,
    -- grows with every claim; who holds an older one may not write
    fence bigint not null default 0,
    attempts integer not null default 0,
    tried_at bigint,
    delivered_at bigint,
    -- of the last attempt: the HTTP status, and the begin of the answer or why there was none
    status smallint,
    answer text,
    took_ms integer
);
create index delivery_next on delivery (webhook_id, next_at, id) where next_at is not null;
create index delivery_webhook on delivery (webhook_id, id);
create index delivery_over on delivery (created_at) where next_at is null;

-- Findings that came with new advisories, until there are messages of them. A step is a move of a shard's findings to
-- the advisories of that digest.
create table news (
    shard text not null,
    step text not null,
    component_id bigint not null,
    finding_id bigint not null,
    primary key (shard, step, component_id, finding_id)
) {clustered};

-- The image up to which there are messages of a step.
create table news_position (
    shard text not null,
    step text not null,
    image_id bigint not null,
    primary key (shard, step)
) {clustered};

-- Scans of many images: when, and how far.

create table schedule (
    id {id},
    -- null: of all projects
    project_id bigint references project (id) on delete cascade,
    name text not null,
    -- which images: JSON
    filter text not null,
    -- microseconds from one run to the next; null for a time of the day
    every bigint,
    -- microseconds after midnight UTC; null for an interval
    daily_at bigint,
    enabled boolean not null default true,
    next_at bigint not null,
    -- when it ran last
    last_at bigint,
    owner text not null,
    created_at bigint not null,
    changed_at bigint not null
);
create unique index schedule_name on schedule (coalesce(project_id, 0), name);
create index schedule_next on schedule (next_at) where enabled;

create table scan_all (
    id {id},
    schedule_id bigint references schedule (id) on delete set null,
    -- null: of several projects
    project_id bigint references project (id) on delete cascade,
    -- the projects, where there are several: JSON list; null for all
    projects text,
    filter text not null,
    started_by text not null,
    request_id text not null,
    created_at bigint not null,
    -- images that were there when it began are numbered up to this
    last_image bigint not null,
    -- the image that was looked at last
    position bigint not null default 0,
    total integer not null,
    submitted integer not null default 0,
    -- images that could not be submitted: what they came from is gone
    skipped integer not null default 0,
    -- 0 running, 1 all submitted, 2 stopped
    state smallint not null default 0,
    finished_at bigint
);
create index scan_all_running on scan_all (id) where state = 0;
create index scan_all_schedule on scan_all (schedule_id);

create table scan_all_scan (
    scan_all_id bigint not null references scan_all (id) on delete cascade,
    scan_id {uuid} not null references scan (id) on delete cascade,
    -- false when the scan was under way already, for somebody else
    own boolean not null,
    primary key (scan_all_id, scan_id)
) {clustered};
create index scan_all_scan_scan on scan_all_scan (scan_id);

create table setting (
    name text primary key,
    value text not null
);
