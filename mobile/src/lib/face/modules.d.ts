/** Made by `build/face_model.ts`. */
declare module 'virtual:face-model' {
  /** Addresses of what finds faces; nothing where it was not at hand when the apps were built. */
  export const files: { wasm: string; model: string } | undefined;
}

/** The package has no types for it. */
declare module '@mediapipe/tasks-vision/vision_wasm_module_internal.js' {
  const factory: (module: object) => Promise<object>;
  export default factory;
}
