import { register } from 'tsx/esm/api';

// tsx would otherwise read the tsconfig.json of whatever folder flushlab is started in.
register({ tsconfig: false });
