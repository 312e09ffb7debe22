/** Sources of costs that a kind of machine cannot have. */

export const noPrivateL2 = { 'costs.l2HitCycles': 'not used: no private L2' };
export const noSharedL2 = { 'costs.sharedHitCycles': 'not used: no shared L2' };
export const noOuterCache = { 'costs.outerHitCycles': 'not used: no outer cache' };
export const noSecondTlb = { 'costs.secondTlbHitCycles': 'not used: one level of TLB' };

export const noBroadcast = {
  'costs.broadcastLatencyCycles': 'not used: no broadcast',
  'costs.broadcastOccupancyCycles': 'not used: no broadcast',
  'costs.broadcastTargetCycles': 'not used: no broadcast',
};

/** One CPU: nobody to take a line from, to broadcast to or to interrupt. */
export const oneCpu = {
  'costs.cacheToCacheCycles': 'not used: one CPU',
  'costs.upgradeCycles': 'not used: one CPU',
  'costs.maintenanceBroadcastCycles': 'not used: one CPU',
  'costs.ipiSendCycles': 'not used: one CPU',
  'costs.ipiLatencyCycles': 'not used: one CPU',
  ...noBroadcast,
};

/** The same costs as figures. */
export const freeForOneCpu = {
  cacheToCacheCycles: 0,
  upgradeCycles: 0,
  maintenanceBroadcastCycles: 0,
  broadcastLatencyCycles: 0,
  broadcastOccupancyCycles: 0,
  broadcastTargetCycles: 0,
  ipiSendCycles: 0,
  ipiLatencyCycles: 0,
};
