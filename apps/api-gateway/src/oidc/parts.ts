import type { Provider } from '@nestjs/common';
import { Clock, EgressClient, Lifecycle, Logger, parseEgressAllow } from '@vane/runtime';
import { oidcOf, type GatewaySettings } from '../config.js';
import { IdentityLinks } from './identity-links.js';
import { IdentityProvider } from './identity-provider.js';
import { OIDC_CALLBACK } from './routes.js';

/** Signing in at an identity provider; null in the place of the provider when the operator has named none. */
export const oidcProviders = (settings: GatewaySettings): Provider[] => [
  IdentityLinks,
  {
    provide: IdentityProvider,
    inject: [Clock, Logger, Lifecycle],
    useFactory: (clock: Clock, logger: Logger, lifecycle: Lifecycle) => {
      const oidc = oidcOf(settings);
      if (!oidc) return null;
      // The operator has named it, so it may be called wherever it is: mostly in the operator's own network.
      const allow = parseEgressAllow([new URL(oidc.issuer).host, settings.VANE_EGRESS_ALLOW].join(','));
      const egress = new EgressClient({ policy: { allow, requireHttps: true } });
      lifecycle.onStop(() => egress.close());
      return new IdentityProvider(oidc, new URL(OIDC_CALLBACK, settings.VANE_API_URL).href, egress, clock, logger);
    },
  },
];
