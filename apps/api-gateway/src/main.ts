import { runMain } from '@vane/runtime';
import { gatewaySettings } from './config.js';
import { startGateway } from './gateway.js';

runMain('api-gateway', () => startGateway(gatewaySettings()));
