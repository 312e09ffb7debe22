import { platforms } from '../../src/platforms/index.ts';
import { conforms, threadsHost } from './suite.ts';

for (const platform of Object.values(platforms)) conforms(platform, threadsHost());
