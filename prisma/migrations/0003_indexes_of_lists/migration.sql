-- CreateIndex
CREATE INDEX "subscription_connection_id_idx" ON "subscription"("connection_id");

-- CreateIndex
CREATE INDEX "delivery_feed_id_id_idx" ON "delivery"("feed_id", "id");

-- CreateIndex
CREATE INDEX "event_feed_id_id_idx" ON "event"("feed_id", "id");

-- CreateIndex
CREATE INDEX "run_trigger_id_id_idx" ON "run"("trigger_id", "id");

-- What schema.prisma cannot say: the order in which the reconciler looks at queued runs. The index on next_attempt_at alone
-- served no query: a run that was never tried has none.
CREATE INDEX "run_queued_idx" ON "run"((COALESCE("next_attempt_at", "created_at")), "id") WHERE "status" = 'queued';
DROP INDEX "run_due_idx";
