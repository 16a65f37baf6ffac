import { keepSecret, newSecret } from '@vane/testing';
import { startGithubFake, type GithubFake } from '../../libs/adapters/src/github/fake/server.js';
import type { GithubFakeOptions } from '../../libs/adapters/src/github/fake/state.js';
import { startGoogleFake, type GoogleFake } from '../../libs/adapters/src/google/fake/server.js';
import type { GoogleFakeOptions } from '../../libs/adapters/src/google/fake/state.js';
import { startNextcloudFake, type NextcloudFake } from '../../libs/adapters/src/nextcloud/fake/server.js';
import type { NextcloudFakeOptions } from '../../libs/adapters/src/nextcloud/fake/state.js';

/** A fake GitHub with a client secret of its own, whose secrets are all kept for the scan at the end. */
export const openGithub = (options: GithubFakeOptions = {}): Promise<GithubFake> =>
  startGithubFake({
    ...options,
    app: { clientSecret: newSecret('client secret at GitHub'), ...options.app },
    issued: (what, secret) => void keepSecret(`${what} of GitHub`, secret),
  });

/** A fake Nextcloud, likewise. */
export const openNextcloud = (options: NextcloudFakeOptions = {}): Promise<NextcloudFake> =>
  startNextcloudFake({
    ...options,
    client: { clientSecret: newSecret('client secret at Nextcloud'), ...options.client },
    issued: (what, secret) => void keepSecret(`${what} of Nextcloud`, secret),
  });

/** A fake Google, likewise. */
export const openGoogle = (options: GoogleFakeOptions = {}): Promise<GoogleFake> =>
  startGoogleFake({
    ...options,
    client: { clientSecret: newSecret('client secret at Google'), ...options.client },
    issued: (what, secret) => void keepSecret(`${what} of Google`, secret),
  });
