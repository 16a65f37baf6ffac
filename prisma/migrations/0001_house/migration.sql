-- The first tables: written by the schema engine from schema.prisma, then by hand what its language cannot say
-- (partitions, partial indexes, checks, storage settings). One transaction: it applies whole or not at all.

CREATE TABLE "workspace" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "workspace_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "api_token" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "token_hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_token_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "idempotency_key" (
    "token_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "status" INTEGER,
    "headers" JSONB,
    "body" TEXT,
    "locked_until" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("token_id","key")
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE "data_key" (
    "id" TEXT NOT NULL,
    "ring" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "ring_key_id" TEXT NOT NULL,
    "wrapped" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "data_key_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "integration" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "client_secret_enc" TEXT NOT NULL,
    "hosts" JSONB NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "integration_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "connection" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "integration_id" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "account_label" TEXT NOT NULL,
    "scopes" TEXT[],
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "access_token_enc" TEXT NOT NULL,
    "refresh_token_enc" TEXT,
    "token_type" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "refresh_at" TIMESTAMPTZ(3),
    "generation" INTEGER NOT NULL,
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "refresh_intent_at" TIMESTAMPTZ(3),
    "refresh_failures" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "connection_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE "authorisation" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "integration_id" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "scopes" TEXT[],
    "ticket_hash" TEXT NOT NULL,
    "state_hash" TEXT,
    "browser_hash" TEXT,
    "verifier_enc" TEXT,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "authorisation_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "runnable" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "retry" JSONB NOT NULL,
    "secret_sealed" TEXT,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "runnable_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "secret" (
    "workspace_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "secret_pkey" PRIMARY KEY ("workspace_id","name")
);

CREATE TABLE "feed" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "trigger_type" TEXT NOT NULL,
    "connection_id" TEXT NOT NULL,
    "resource" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "feed_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "trigger" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "feed_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "connection_id" TEXT,
    "config" JSONB NOT NULL,
    "want" JSONB NOT NULL,
    "runnable_id" TEXT,
    "status" TEXT NOT NULL,
    "status_code" TEXT,
    "status_message" TEXT,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "trigger_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "subscription" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "feed_id" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "trigger_type" TEXT NOT NULL,
    "connection_id" TEXT,
    "resource" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "secrets_enc" TEXT NOT NULL,
    "want" JSONB NOT NULL,
    "applied" JSONB,
    "external_id" TEXT,
    "status" TEXT NOT NULL,
    "status_since" TIMESTAMPTZ(3) NOT NULL,
    "reason_code" TEXT,
    "reason_message" TEXT,
    "attempts" INTEGER NOT NULL,
    "next_attempt_at" TIMESTAMPTZ(3),
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "subscription_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE "subscription_history" (
    "id" BIGSERIAL NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "subscription_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "status" TEXT NOT NULL,
    "reason_code" TEXT,
    "reason_message" TEXT,

    CONSTRAINT "subscription_history_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "delivery" (
    "id" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "subscription_id" TEXT NOT NULL,
    "feed_id" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "method" TEXT NOT NULL,
    "headers" JSONB NOT NULL,
    "body" BYTEA,
    "size" INTEGER NOT NULL,
    "sha256" TEXT NOT NULL,
    "sealed_auth" TEXT,
    "auth_until" TIMESTAMPTZ(3),

    CONSTRAINT "delivery_pkey" PRIMARY KEY ("id","received_at")
) PARTITION BY RANGE ("received_at");

CREATE TABLE "event" (
    "id" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "feed_id" TEXT NOT NULL,
    "delivery_id" TEXT,
    "service" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "dedupe_key" TEXT NOT NULL,
    "occurred_at" TIMESTAMPTZ(3),
    "payload" JSON NOT NULL,

    CONSTRAINT "event_pkey" PRIMARY KEY ("id","received_at")
) PARTITION BY RANGE ("received_at");

CREATE TABLE "event_key" (
    "feed_id" TEXT NOT NULL,
    "dedupe_key" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "event_key_pkey" PRIMARY KEY ("feed_id","dedupe_key")
) PARTITION BY HASH ("feed_id");

CREATE TABLE "run" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "trigger_id" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "event_received_at" TIMESTAMPTZ(3) NOT NULL,
    "runnable_id" TEXT,
    "replay" INTEGER NOT NULL,
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "attempts" INTEGER NOT NULL,
    "fence" INTEGER NOT NULL,
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "next_attempt_at" TIMESTAMPTZ(3),
    "correlation_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "run_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE "attempt" (
    "run_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),
    "outcome" TEXT NOT NULL,
    "fault" TEXT,
    "code" TEXT,
    "message" TEXT,
    "result" JSONB,
    "logs" TEXT NOT NULL,

    CONSTRAINT "attempt_pkey" PRIMARY KEY ("run_id","number")
);

CREATE TABLE "inbox" (
    "id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "message" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "inbox_pkey" PRIMARY KEY ("id")
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX "api_token_token_hash_key" ON "api_token"("token_hash");
CREATE INDEX "api_token_workspace_id_id_idx" ON "api_token"("workspace_id", "id");
CREATE INDEX "idempotency_key_created_at_idx" ON "idempotency_key"("created_at");
CREATE UNIQUE INDEX "data_key_ring_scope_key" ON "data_key"("ring", "scope");
CREATE UNIQUE INDEX "integration_workspace_id_id_key" ON "integration"("workspace_id", "id");
CREATE INDEX "connection_workspace_id_id_idx" ON "connection"("workspace_id", "id");
CREATE UNIQUE INDEX "connection_integration_id_account_id_key" ON "connection"("integration_id", "account_id");
CREATE UNIQUE INDEX "authorisation_ticket_hash_key" ON "authorisation"("ticket_hash");
CREATE UNIQUE INDEX "authorisation_state_hash_key" ON "authorisation"("state_hash");
CREATE INDEX "authorisation_expires_at_idx" ON "authorisation"("expires_at");
CREATE INDEX "runnable_workspace_id_id_idx" ON "runnable"("workspace_id", "id");
CREATE UNIQUE INDEX "feed_workspace_id_connection_id_service_trigger_type_resour_key" ON "feed"("workspace_id", "connection_id", "service", "trigger_type", "resource");
CREATE UNIQUE INDEX "feed_workspace_id_id_key" ON "feed"("workspace_id", "id");
CREATE INDEX "trigger_workspace_id_id_idx" ON "trigger"("workspace_id", "id");
CREATE INDEX "trigger_feed_id_idx" ON "trigger"("feed_id");
CREATE INDEX "trigger_runnable_id_idx" ON "trigger"("runnable_id");
CREATE INDEX "trigger_connection_id_idx" ON "trigger"("connection_id");
CREATE UNIQUE INDEX "subscription_key_key" ON "subscription"("key");
CREATE INDEX "subscription_feed_id_idx" ON "subscription"("feed_id");
CREATE UNIQUE INDEX "subscription_workspace_id_id_key" ON "subscription"("workspace_id", "id");
CREATE INDEX "subscription_history_subscription_id_id_idx" ON "subscription_history"("subscription_id", "id");
CREATE INDEX "delivery_workspace_id_id_idx" ON "delivery"("workspace_id", "id");
CREATE INDEX "delivery_subscription_id_id_idx" ON "delivery"("subscription_id", "id");
CREATE INDEX "event_workspace_id_id_idx" ON "event"("workspace_id", "id");
CREATE INDEX "event_delivery_id_idx" ON "event"("delivery_id");
CREATE INDEX "event_key_seen_at_idx" ON "event_key" USING BRIN ("seen_at");
CREATE INDEX "run_event_id_idx" ON "run"("event_id");
CREATE UNIQUE INDEX "run_trigger_id_event_id_replay_key" ON "run"("trigger_id", "event_id", "replay");
CREATE UNIQUE INDEX "run_workspace_id_id_key" ON "run"("workspace_id", "id");
ALTER TABLE "connection" ADD CONSTRAINT "connection_workspace_id_integration_id_fkey" FOREIGN KEY ("workspace_id", "integration_id") REFERENCES "integration"("workspace_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "trigger" ADD CONSTRAINT "trigger_workspace_id_feed_id_fkey" FOREIGN KEY ("workspace_id", "feed_id") REFERENCES "feed"("workspace_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "subscription" ADD CONSTRAINT "subscription_workspace_id_feed_id_fkey" FOREIGN KEY ("workspace_id", "feed_id") REFERENCES "feed"("workspace_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "subscription_history" ADD CONSTRAINT "subscription_history_workspace_id_subscription_id_fkey" FOREIGN KEY ("workspace_id", "subscription_id") REFERENCES "subscription"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_workspace_id_run_id_fkey" FOREIGN KEY ("workspace_id", "run_id") REFERENCES "run"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Partitions. Months are added ahead of time by ensurePartitions(); the default partition takes what no month covers, so
-- that a late sweeper never loses a delivery.
CREATE TABLE "delivery_default" PARTITION OF "delivery" DEFAULT;
CREATE TABLE "event_default" PARTITION OF "event" DEFAULT;

CREATE TABLE "event_key_0" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE "event_key_1" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE "event_key_2" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE "event_key_3" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE "event_key_4" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE "event_key_5" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE "event_key_6" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE "event_key_7" PARTITION OF "event_key" FOR VALUES WITH (MODULUS 8, REMAINDER 7);

-- What is due: these hold only the rows that wait, so that their cost grows with what is due and not with what exists.
CREATE INDEX "run_due_idx" ON "run"("next_attempt_at") WHERE "status" = 'queued';
CREATE INDEX "run_lease_idx" ON "run"("lease_until") WHERE "status" = 'running';
CREATE INDEX "subscription_due_idx" ON "subscription"("next_attempt_at") WHERE "next_attempt_at" IS NOT NULL;
CREATE INDEX "connection_refresh_idx" ON "connection"("refresh_at") WHERE "status" = 'active' AND "refresh_at" IS NOT NULL;
CREATE INDEX "delivery_auth_idx" ON "delivery"("auth_until") WHERE "sealed_auth" IS NOT NULL;

-- The words a status may be. A new word is a new constraint in a migration of its own.
ALTER TABLE "api_token" ADD CONSTRAINT "api_token_role_check" CHECK ("role" IN ('superadmin', 'admin', 'editor', 'operator'));
ALTER TABLE "connection" ADD CONSTRAINT "connection_status_check" CHECK ("status" IN ('active', 'auth_required'));
ALTER TABLE "trigger" ADD CONSTRAINT "trigger_status_check" CHECK ("status" IN ('enabled', 'paused', 'disabled'));
ALTER TABLE "subscription" ADD CONSTRAINT "subscription_status_check" CHECK ("status" IN ('pending', 'active', 'renewing', 'degraded', 'missing', 'auth_required', 'disabled', 'removing', 'removed'));
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_status_check" CHECK ("status" IN ('accepted', 'refused', 'unprocessable', 'handshake', 'ping'));
ALTER TABLE "run" ADD CONSTRAINT "run_status_check" CHECK ("status" IN ('held', 'queued', 'running', 'succeeded', 'failed', 'dead', 'interrupted', 'cancelled', 'skipped', 'filtered'));
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_outcome_check" CHECK ("outcome" IN ('running', 'succeeded', 'failed', 'interrupted'));
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_fault_check" CHECK ("fault" IN ('ours', 'target', 'script'));
