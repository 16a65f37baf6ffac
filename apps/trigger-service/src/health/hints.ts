import type { HealthLayer } from '@vane/contracts';

/** What to do about a reason, by its code. A code that is not here has the hint of its layer. */
const HINTS: Record<string, string> = {
  // connection
  auth_required: 'Connect the account again; what arrives until then is kept and runs afterwards.',
  disconnecting: 'This connection is being disconnected. Give the trigger another connection, or delete it.',
  connection_gone: 'Give the trigger another connection, or delete it.',
  token_expired: 'Vane gets no new access token and goes on trying. If this lasts, connect the account again.',
  // subscription
  unauthorised: 'Connect the account again, so that the service accepts us.',
  forbidden: 'Let the connected account have the right that the service names, or use the connection of another account. Vane tries again by itself.',
  not_found: 'See whether the resource still exists at the service and the connected account can see it; else change the config of the trigger.',
  invalid: 'Read what the service says about the request, and change the config of the trigger.',
  conflict: 'Another object at the service is in the way. Remove it there; Vane tries again by itself.',
  rate_limited: 'The service lets us do no more for now. Vane tries again by itself when it may.',
  unavailable: 'The service does not answer. Vane tries again by itself.',
  service_unavailable: 'The service does not answer. Vane tries again by itself.',
  garbage: 'The service answers something that makes no sense. Vane tries again by itself; see whether the URL of the integration is right.',
  missing_at_service: 'Somebody deleted our object at the service. Have it restored, or delete the trigger.',
  disabled_at_service: 'The service, or somebody there, switched our object off. Have it restored, which switches it on again, or delete the trigger.',
  changed_at_service: 'Somebody changed our object at the service. Keep what is there, or have it restored.',
  url_changed_at_service: 'Somebody pointed our object at the service at another address. Have it restored.',
  renewal_failing: 'Our subscription ends soon and the service does not renew it. Read its words, and see that the connected account may still subscribe.',
  expired: 'The service has ended our subscription. Vane makes another as soon as the service lets it.',
  removed: 'Nothing is registered at the service any more. Delete the trigger and make it again.',
  none: 'Nothing is registered at the service. Delete the trigger and make it again.',
  stale_cursor: 'The service has forgotten where we were. The trigger says whether everything is fetched again or it goes on from now.',
  pending: 'The service has not confirmed the registration yet. Vane tries again by itself.',
  // ingress
  bad_signature: 'The sender signs with another secret. Choose a new one with POST .../subscriptions/{id}/secret, or enter the right one at the sender.',
  missing_signature: 'What is posted carries no signature. See that the sender was given the secret, and that nobody else posts to the address.',
  stale_timestamp: 'The sender signs with a time that is long past. Compare the clocks, and see whether something in between holds requests back.',
  future_timestamp: 'The sender signs with a time that is still to come. Set the clock of the machines that Vane runs on.',
  not_json: 'The sender posts something that is not JSON. See that it posts to the right address, in the form that the service documents.',
  silent: 'See at the service whether something should have happened, and that it posts to the address of the trigger. ./vane why looks for you.',
  // delivery
  runnable_deleted: 'Give the trigger another runnable.',
  runs_failing: 'Read the error of the last run, and correct the script or the target. Runs can be replayed afterwards.',
  filter_failed: 'Correct the filter: has(payload.x) asks whether a member is there. What started nothing is kept as skipped runs, and can be replayed.',
  mapping_failed: 'Correct the mapping: has(payload.x) asks whether a member is there. What started nothing is kept as skipped runs, and can be replayed.',
  queue_stuck: 'Runs are waiting longer than they should. See that run-worker is up and Redis can be reached: ./vane status.',
  held: 'Runs are held until the connection works again. Connect the account again.',
};

const OF_LAYER: Record<HealthLayer, string> = {
  connection: 'See what the connection says, and connect the account again if it does not work by itself soon.',
  subscription: 'Read what the service says. Vane tries again by itself; if this lasts, look at the trigger at the service.',
  ingress: 'Read the refused deliveries with GET .../deliveries?status=refused, and compare how the sender is set up with what the trigger says.',
  delivery: 'Read the last runs of the trigger and their errors.',
};

/** What a person should do about something that is not healthy. */
export const hintOf = (layer: HealthLayer, code: string): string => (Object.hasOwn(HINTS, code) ? HINTS[code]! : OF_LAYER[layer]);
