-- AlterTable
ALTER TABLE "runnable" ADD COLUMN     "creation_key" TEXT;

-- AlterTable
ALTER TABLE "trigger" ADD COLUMN     "creation_key" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "runnable_workspace_id_creation_key_key" ON "runnable"("workspace_id", "creation_key");

-- CreateIndex
CREATE UNIQUE INDEX "trigger_workspace_id_creation_key_key" ON "trigger"("workspace_id", "creation_key");
