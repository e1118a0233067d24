import { describe, expect, it, vi } from 'vitest';

import { light, litTrack } from './torch';

const camera = (...torches: (boolean | undefined)[]) => {
  const tracks = torches.map((torch) => ({ getCapabilities: () => ({ torch }), applyConstraints: vi.fn(async () => undefined) }));
  const video = { srcObject: { getVideoTracks: () => tracks } } as unknown as HTMLVideoElement;
  return { tracks, video };
};

describe('a camera’s light', () => {
  it('is that of the track that has one', () => {
    const { tracks, video } = camera(undefined, false, true);
    expect(litTrack(video)).toBe(tracks[2]);
    expect(litTrack(camera(undefined, false).video)).toBeUndefined();
    expect(litTrack({ srcObject: null } as HTMLVideoElement)).toBeUndefined();
    expect(litTrack({ srcObject: { getVideoTracks: () => [{}] } } as unknown as HTMLVideoElement)).toBeUndefined();
  });

  it('is switched on and off, and stays as it was where it can’t be', async () => {
    const { tracks, video } = camera(true);
    const track = litTrack(video)!;
    expect([await light(track, true), await light(track, false)]).toEqual([true, false]);
    expect(tracks[0]!.applyConstraints).toHaveBeenNthCalledWith(1, { advanced: [{ torch: true }] });
    tracks[0]!.applyConstraints.mockRejectedValue(new Error('in use'));
    expect([await light(track, true), await light(track, false)]).toEqual([false, true]);
  });
});
