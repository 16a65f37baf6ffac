# One image for every app: the command names the program, e.g. dist/api-gateway.js.
FROM node:22-bookworm-slim AS manifests
WORKDIR /app
COPY . .
RUN mkdir /manifests && cp package-lock.json .npmrc /manifests && find . -name package.json -exec cp --parents -t /manifests {} +

# Packages are installed anew only when a package.json changes, not with every line of code.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY --from=manifests /manifests ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# Generating the client needs no schema engine, but the CLI insists that there is one.
RUN PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1 node node_modules/prisma/build/index.js generate --schema prisma/schema.prisma
RUN NX_DAEMON=false NX_NO_CLOUD=true node node_modules/nx/dist/bin/nx.js run-many -t build bundle
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf apps/*/src libs/*/src libs/adapters/kit/src libs/testing

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/prisma ./prisma
COPY --from=build /app/libs ./libs
COPY --from=build /app/apps ./apps
COPY --from=build /app/dist ./dist
USER node
ENTRYPOINT ["node", "--enable-source-maps"]
CMD ["dist/api-gateway.js"]
