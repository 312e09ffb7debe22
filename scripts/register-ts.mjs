import { acceptUserModules } from './user-modules.mjs';

// For `node --import`: whoever runs TypeScript through this runs flushlab from source.
acceptUserModules('src');
