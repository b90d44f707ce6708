/** Node wants `./fold.js` where compiler and bundler take `./fold`. */
import { register } from 'node:module';

const hook = `export async function resolve(name, context, next) {
  return next(name.startsWith('.') && !/\\.m?js$/.test(name) ? name + '.js' : name, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
